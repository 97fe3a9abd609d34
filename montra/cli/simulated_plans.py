"""Simulated windows watched from a chosen address plan: as `lab_plans`, in virtual time, with all client families."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from montra.cli.lab_plans import Plan
from montra.simulator.instrument import instrument_config, run_simulated
from montra.simulator.network import SimNetwork
from montra.simulator.settings import SimSettings
from montra.simulator.truth import truth_of
from montra.validation.truth import Truth
from montra.window.analyze import attribute_run
from zone_store.keyspace.zone import Zone

#: The whole network, of which the zone holds one in 256: some 260 nodes that can be reached.
NODES, ZONE = 100_000, "a4/8"
DURATION_S, ATTACH_S = 1500.0, 500.0
#: Ports for all monitors on one address.
PORTS = "20000-22047"
SECOND_NS = 1_000_000_000


class Simulated(NamedTuple):
    """A run of a simulated network, attributed, with its truth. since_ns: when the zone was attached."""

    run: Path
    truth: Truth
    since_ns: int


def run_simulated_plan(plan: Plan, folder: Path, *, lookups: int, seed: int) -> Simulated:
    """Simulate a window in `folder` and attribute it; raises ConfigError, RunError, SimSettingsError.

    Lookups of the network's usual mix of clients; sessions as in the Internet where the plan names none.
    """
    usual_s = SimSettings().session_median_s
    settings = SimSettings(
        seed=seed,
        nodes=NODES,
        zone=Zone.parse(ZONE),
        duration_s=DURATION_S,
        lookups=float(lookups),
        session_median_s=plan.session_s or usual_s,
    )
    network = SimNetwork(settings)
    nodes, begin_ns = network.nodes, settings.start_ns
    live = np.count_nonzero(nodes.reachable & nodes.alive(begin_ns))
    overrides = dict(plan.overrides)
    if not plan.subnets:
        overrides["addresses.ports"] = PORTS
    config = instrument_config(
        settings.zone, int(live), seed, network.bootstrap, folder, {"duration": f"{DURATION_S:g}s", **overrides}
    )
    run = run_simulated(config, network, begin_ns)
    attribute_run(run.folder, workers=1)
    end_ns = begin_ns + round(DURATION_S) * SECOND_NS
    truth = truth_of(nodes, network.lookups, zone=ZONE, begin_ns=begin_ns, end_ns=end_ns)
    return Simulated(run.folder, truth, begin_ns + round(ATTACH_S) * SECOND_NS)
