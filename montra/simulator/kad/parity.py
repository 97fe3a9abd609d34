"""The simulator beside reality: the same small Kad network and workload, simulated and of real amuled."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from montra.datagrams import ip_text
from montra.lab.kad.population import CRAWLER_ADDRESS, UDP_PORT
from montra.lab.kad.settings import KadLabSettings, KadWorkload
from montra.simulator.instrument import Say, run_simulated
from montra.simulator.kad.network import KadNetwork
from montra.simulator.kad.settings import ID_BITS, Family, KadSettings, Purpose
from montra.simulator.kad.truth import truth_of
from montra.simulator.parity import NETWORKS, Measured, Pair, expected, measured, pair
from montra.validation.compare import compare
from montra.validation.truth import Truth
from montra.window import shipped
from montra.window.analyze import attribute_run
from montra.window.config import merge, parse, validate
from zone_store.keyspace.zone import Zone

NODES = 100
#: A datagram on loopback takes well under this; crawl, introductions and the nodes' lookups of their own IDs are over
#: after so many seconds.
_LOOPBACK_DELAY_S = 0.0005
_ATTACH_S = 200.0
#: The longest lookup, a store, and a little more.
_DRAIN_S = 150.0

Watch = Callable[[KadLabSettings, KadWorkload, Path, Mapping[str, Any], Say], tuple[Path, Truth, int]]
"""Runs a window around a lab's workload in a folder, with overrides of configs/kad-lab.toml: the sealed run, the truth,
and when the workload began."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Where monitors speak from, one address each: so many of them in each /24."""

    name: str
    each: int

    def overrides(self, monitors: int) -> dict[str, Any]:
        """Return the plan for so many monitors as settings."""
        subnets = -(-monitors // self.each)
        each = min(self.each, monitors)
        return {"addresses.monitors": [f"100.{96 + n // 250}.{1 + n % 250}.1-{each}" for n in range(subnets)]}


PLANS = (Plan("a /24 each", 1), Plan("one /24", 250))
#: Addresses for each node: a monitor that is not handed out moves to another.
_ROOM = 1.5


def side_by_side(
    folder: Path, watch: Watch, *, seed: int, say: Say, nodes: int = NODES, plans: Sequence[Plan] = PLANS
) -> list[Pair]:
    """Run each plan on `nodes` amuled, simulated and real; raises what `watch` and the simulation raise."""
    simulated = partial(simulate, nodes=nodes, seed=seed)
    real = partial(_real, watch=watch, nodes=nodes, seed=seed, say=say)
    return [pair(folder / str(number), plan, simulated, real, say) for number, plan in enumerate(plans)]


def simulate(folder: Path, plan: Plan, *, nodes: int, seed: int, networks: int = NETWORKS) -> Measured:
    """Return what windows find in simulated networks like a lab of `nodes` amuled; see `montra.simulator.parity`."""
    return expected([_simulate(folder / str(n), plan, nodes=nodes, seed=seed + n) for n in range(networks)])


def _simulate(folder: Path, plan: Plan, *, nodes: int, seed: int) -> Measured:
    lab, work = _scene(folder, nodes, seed)
    zone = Zone.parse(lab.zone, ID_BITS)
    lasts_s = work.duration_s * lab.rate  # time passes at one rate here: the clients'
    duration_s = _ATTACH_S + lasts_s + _DRAIN_S
    shares = sum(lab.publishers)
    counts: dict[int, float] = {
        Purpose.KEYWORD: float(work.searches),
        Purpose.STORE_SOURCE: float(shares),
        Purpose.STORE_KEYWORD: float(shares * lab.words_per_file),
    }
    settings = KadSettings(
        seed=seed,
        nodes=round(nodes / zone.share),
        zone=zone,
        duration_s=duration_s,
        warm_up_s=0.0,
        clients={Family.AMULE: 1.0},
        churn=False,
        unreachable=0.0,
        tcp_firewalled=0.0,
        introduced=lab.seed_peers,
        loss=0.0,
        delay_s=_LOOPBACK_DELAY_S,
        jitter=0.0,
        lookups=sum(counts.values()),
        lookups_from_s=_ATTACH_S,
        lookups_until_s=_ATTACH_S + lasts_s,
        inside=1.0,
        purposes=counts,
        keys=lab.words,
        popular=0.0,
        maintenance=1.0,
    )
    network = KadNetwork(settings)
    config = parse(
        merge(
            tomllib.loads(shipped.text("kad-lab")),
            {
                "zone": lab.zone,
                "seed": seed,
                "duration": f"{duration_s:g}s",
                "bootstrap": [f"{ip_text(ip)}:{port}" for ip, port in network.bootstrap],
                "addresses.crawler": f"{CRAWLER_ADDRESS}:{UDP_PORT}",
                "addresses.ports": str(UDP_PORT),
                "crawl.spacing_s": 6.5,
                "storage.runs": str(folder),
                **plan.overrides(round(_ROOM * nodes)),
            },
        )
    )
    validate(config)
    begin_ns = settings.start_ns
    run = run_simulated(config, network, begin_ns, gather_s=0.005)
    attribute_run(run.folder, workers=1)
    end_ns = begin_ns + int(duration_s * 1e9)
    truth = truth_of(network.nodes, network.lookups, zone=lab.zone, begin_ns=begin_ns, end_ns=end_ns)
    return measured(compare(run.folder, truth, since_ns=begin_ns + int(_ATTACH_S * 1e9)))


def _real(folder: Path, plan: Plan, *, watch: Watch, nodes: int, seed: int, say: Say) -> Measured:
    lab, work = _scene(folder, nodes, seed)
    run, truth, went_ns = watch(lab, work, folder, plan.overrides(round(_ROOM * nodes)), say)
    attribute_run(run, workers=1)
    return measured(compare(run, truth, since_ns=went_ns))


def _scene(folder: Path, nodes: int, seed: int) -> tuple[KadLabSettings, KadWorkload]:
    """Return the lab and the workload of both sides."""
    return KadLabSettings(out=folder.resolve() / "lab", nodes=nodes, seed=seed), KadWorkload()
