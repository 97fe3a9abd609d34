"""The simulator beside reality: the same small network, workload and instrument in both, for several address plans."""

from __future__ import annotations

import math
import statistics
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeVar

from montra.datagrams import ip_text
from montra.lab.settings import LabSettings, WorkloadSettings
from montra.simulator.instrument import Say, run_simulated
from montra.simulator.network import SimNetwork
from montra.simulator.settings import Family, SimSettings
from montra.simulator.truth import truth_of
from montra.validation.clustered import Clustered
from montra.validation.compare import compare
from montra.validation.comparison import Comparison, Copies
from montra.validation.student import quantile
from montra.validation.truth import load_truth
from montra.validation.wilson import Z95
from montra.window import shipped
from montra.window.analyze import attribute_run
from montra.window.config import merge, parse, validate
from zone_store.keyspace.zone import Zone

#: More than libtorrent's first bucket holds, 128: its table must have split as in a large network.
NODES = 200
#: Simulated networks for each plan.
NETWORKS = 5
#: What is compared; all but these are shares.
FIGURES = ("capture", "destination", "inferred", "copies")
_MOST = {"copies": math.inf}
#: A datagram on loopback takes well under this; the crawl and all introductions are over after so many seconds.
_LOOPBACK_DELAY_S = 0.0005
_ATTACH_S = 45.0
_DRAIN_S = 20.0


class Named(Protocol):
    """Any plan."""

    @property
    def name(self) -> str:
        """What it is called in the table."""
        ...


P = TypeVar("P", bound=Named)

Watch = Callable[[LabSettings, Path, Mapping[str, Any], Say], tuple[Path, int]]
"""Runs a window around a lab's workload in a folder, with overrides of configs/lab.toml: the sealed run, and when the
workload began (0 = never)."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Where monitors speak from: so many addresses in each of so many /24s, with so many ports each."""

    name: str
    subnets: int
    addresses: int
    ports: int

    def overrides(self, prefix: str) -> dict[str, Any]:
        """Return the plan as settings, with /24s under `prefix` ("127.100")."""
        monitors = [f"{prefix}.{subnet}.1-{self.addresses}" for subnet in range(self.subnets)]
        return {"addresses.monitors": monitors, "addresses.ports": f"20881-{20880 + self.ports}"}


PLANS = (
    Plan("16 /24s", 16, 1, 32),
    Plan("8 /24s", 8, 1, 64),
    Plan("4 /24s", 4, 1, 128),
    Plan("one address", 1, 1, 512),
    Plan("one /24", 1, 250, 2),
)


@dataclass(frozen=True, slots=True)
class Interval:
    """A value and its 95 % interval."""

    value: float
    low: float
    high: float

    def overlaps(self, other: Interval) -> bool:
        """Tell whether both intervals share a value."""
        return self.low <= other.high and other.low <= self.high


@dataclass(frozen=True, slots=True)
class Measured:
    """What windows found: lookups judged, shares captured and with the right destination (observed, inferred), mean
    number of distinct monitors that a lookup met.
    """

    lookups: int
    capture: Interval
    destination: Interval
    inferred: Interval
    copies: Interval


@dataclass(frozen=True, slots=True)
class Pair:
    """One plan in the simulator and in the lab; apart: the names of what does not agree within the intervals.

    The real ones are those of one network's lookups, lookups of one key not taken for independent.
    """

    plan: str
    simulated: Measured
    real: Measured
    apart: tuple[str, ...]


def side_by_side(
    folder: Path, watch: Watch, *, seed: int, say: Say, nodes: int = NODES, plans: Sequence[Plan] = PLANS
) -> list[Pair]:
    """Run each plan on `nodes` libtorrent nodes, simulated and real; raises what `watch` and the simulation raise."""
    simulated = partial(simulate, nodes=nodes, seed=seed)
    real = partial(_real, watch=watch, nodes=nodes, seed=seed, say=say)
    return [pair(folder / str(number), plan, simulated, real, say) for number, plan in enumerate(plans)]


def pair(
    folder: Path, plan: P, simulate: Callable[[Path, P], Measured], measure: Callable[[Path, P], Measured], say: Say
) -> Pair:
    """Return a plan's two sides, each made in a folder of its own; raises what making them raises."""
    simulated = simulate(folder / "simulated", plan)
    say(f"{plan.name}, simulated: {simulated.destination.value:.1%} right of {simulated.lookups}")
    real = measure(folder / "real", plan)
    say(f"{plan.name}, real: {real.destination.value:.1%} right of {real.lookups}")
    return Pair(plan.name, simulated, real, apart(simulated, real))


def table(pairs: Sequence[Pair]) -> str:
    """Return the pairs as a Markdown table."""
    lines = [
        "| Monitors' addresses | | Lookups | Captured | Destination | Inferred | Copies | Apart |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for pair in pairs:
        for name, side in (("simulated", pair.simulated), ("real", pair.real)):
            shares = " | ".join(
                f"{share.value:.1%} ({share.low:.1%}-{share.high:.1%})"
                for share in (side.capture, side.destination, side.inferred)
            )
            copies = f"{side.copies.value:.2f} ({side.copies.low:.2f}-{side.copies.high:.2f})"
            plan, differs = (pair.plan, ", ".join(pair.apart) or "nothing") if side is pair.simulated else ("", "")
            lines.append(f"| {plan} | {name} | {side.lookups} | {shares} | {copies} | {differs} |")
    return "\n".join(lines) + "\n"


def simulate(folder: Path, plan: Plan, *, nodes: int, seed: int, networks: int = NETWORKS) -> Measured:
    """Return what windows find in simulated networks like a lab of `nodes` libtorrent nodes on loopback.

    The intervals are those in which one more such network falls, for the lab is one: networks of few nodes differ by
    their IDs more than the lookups of one tell.
    """
    return expected([_simulate(folder / str(n), plan, nodes=nodes, seed=seed + n) for n in range(networks)])


def expected(found: Sequence[Measured]) -> Measured:
    """Return what one more network like these would show, two of them at least."""
    return Measured(
        lookups=sum(one.lookups for one in found),
        **{name: _next_of([getattr(one, name).value for one in found], _MOST.get(name, 1.0)) for name in FIGURES},
    )


def _next_of(values: Sequence[float], most: float) -> Interval:
    """Return the mean of values from 0 to `most` and the 95 % prediction interval of the next, by Student's t."""
    half = quantile(len(values)) * statistics.stdev(values) * math.sqrt(1 + 1 / len(values))
    mean = statistics.fmean(values)
    return Interval(mean, max(0.0, mean - half), min(most, mean + half))


def _simulate(folder: Path, plan: Plan, *, nodes: int, seed: int) -> Measured:
    lab = _lab(folder, nodes, seed)
    zone = Zone.parse(lab.zone)
    work = lab.workload
    lookups = work.lookups + work.announces
    duration_s = _ATTACH_S + work.duration_s + _DRAIN_S
    settings = SimSettings(
        seed=seed,
        nodes=round(nodes * lab.zone_share / zone.share),
        zone=zone,
        duration_s=duration_s,
        warm_up_s=0.0,
        introduced=True,
        clients={Family.LIBTORRENT: 1.0},
        churn=False,
        unreachable=0.0,
        loss=0.0,
        delay_s=_LOOPBACK_DELAY_S,
        jitter=0.0,
        lookups=float(lookups),
        lookups_from_s=_ATTACH_S,
        lookups_until_s=_ATTACH_S + work.duration_s,
        inside=1.0,
        announces=work.announces / lookups,
    )
    network = SimNetwork(settings)
    begin_ns = settings.start_ns
    config = parse(
        merge(
            tomllib.loads(shipped.text("lab")),
            {
                "zone": lab.zone,
                "seed": seed,
                "duration": f"{duration_s:g}s",
                "bootstrap": [f"{ip_text(ip)}:{port}" for ip, port in network.bootstrap],
                "storage.runs": str(folder),
                **plan.overrides("127.100"),
            },
        )
    )
    validate(config)
    run = run_simulated(config, network, begin_ns, gather_s=0.005)
    attribute_run(run.folder, workers=1)
    end_ns = begin_ns + int(duration_s * 1e9)
    truth = truth_of(network.nodes, network.lookups, zone=lab.zone, begin_ns=begin_ns, end_ns=end_ns)
    return measured(compare(run.folder, truth, since_ns=begin_ns + int(_ATTACH_S * 1e9)))


def _real(folder: Path, plan: Plan, *, watch: Watch, nodes: int, seed: int, say: Say) -> Measured:
    settings = _lab(folder, nodes, seed)
    run, went_ns = watch(settings, folder, plan.overrides("127.100"), say)
    attribute_run(run, workers=1)
    truth = load_truth(Path(settings.out))
    zone = Zone.parse(settings.zone)
    # the lab's requesters outside the zone know most of it, as nobody outside does in a network of any size
    truth.lookups = [lookup for lookup in truth.lookups if zone.contains(lookup.requester.node_id)]
    return measured(compare(run, truth, since_ns=went_ns))


def _lab(folder: Path, nodes: int, seed: int) -> LabSettings:
    """Return the lab whose workload both sides do. Keys are many, as lookups of one key mostly share their fate."""
    work = WorkloadSettings(lookups=320, announces=110, duration_s=30.0, info_hashes=400, zipf=0.0)
    return LabSettings(out=str(folder / "lab"), nodes=nodes, seed=seed, workload=work)


def measured(comparison: Comparison) -> Measured:
    """Return what one window showed."""
    return Measured(
        lookups=comparison.capture.trials,
        capture=_interval(comparison.capture_by_key),
        destination=_interval(comparison.destination_by_key),
        inferred=_interval(comparison.inferred_by_key),
        copies=_mean(comparison.copies),
    )


def _interval(share: Clustered) -> Interval:
    return Interval(share.share, share.low, share.high)


def _mean(copies: Copies) -> Interval:
    """Return the mean number of copies with its normal interval."""
    n = sum(copies.counts.values())
    if n < 2:
        return Interval(copies.mean, -math.inf, math.inf)
    variance = sum(count * (number - copies.mean) ** 2 for number, count in copies.counts.items()) / (n - 1)
    half = Z95 * math.sqrt(variance / n)
    return Interval(copies.mean, copies.mean - half, copies.mean + half)


def apart(one: Measured, other: Measured) -> tuple[str, ...]:
    """Return the names of the figures whose intervals have nothing in common."""
    return tuple(name for name in FIGURES if not getattr(one, name).overlaps(getattr(other, name)))
