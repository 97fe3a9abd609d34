"""What a comparison of a run with the truth says."""

from __future__ import annotations

from dataclasses import dataclass

from montra.validation.clustered import Clustered
from montra.validation.wilson import Proportion

#: With a larger share of commands that the lab could not give, the rest are no fair sample of the workload.
MOST_SKIPPED = 0.05


@dataclass(frozen=True, slots=True)
class Copies:
    """Distinct monitors that got a copy, over the captured lookups; counts: lookups by number of copies."""

    mean: float
    median: float
    counts: dict[int, int]


@dataclass(frozen=True, slots=True)
class Arrivals:
    """Nodes that came into the zone during the window.

    visible: those seen handing their monitor out before they left or the window ended; left, waiting: those that left
    unseen, or had not been seen when the window ended; median_s, p90_s: of the seconds from start to visible, by the
    product-limit estimate over all of them; infinite where not reached, NaN where there are none.
    """

    nodes: int
    visible: int
    left: int
    waiting: int
    median_s: float
    p90_s: float


@dataclass(frozen=True, slots=True)
class Completeness:
    """The true completeness of crawls: median and least (NaN for none) of `crawls`.

    estimate_median: of the crawls' own estimates, which `estimated` of them had; held: of these, how many had the truth
    in their interval.
    """

    crawls: int
    median: float
    least: float
    estimated: int
    estimate_median: float
    held: int


@dataclass(frozen=True, slots=True)
class Group:
    """Results of the lookups whose requester, or target, has one thing in common: `by` says what, `name` which."""

    by: str
    name: str
    capture: Proportion
    destination: Proportion
    inferred: Proportion


@dataclass(frozen=True, slots=True)
class Cause:
    """Why so many lookups were missed. what: "capture", "destination" (observed) or "inferred".

    share: of all misses of that sort; of_all: of the lookups that could have been missed so (all judged; of
    destinations, all captured); meaning: the cause in words; by_client: count by client of the requester.
    """

    what: str
    cause: str
    count: int
    share: float
    of_all: float
    meaning: str
    by_client: dict[str, int]


@dataclass(frozen=True, slots=True)
class Comparison:
    """A run against the truth, over all lookups for keys in the zone that the requesters made in [since_ns, until_ns).

    ended: why the workload ended; lookups: commands in the truth; skipped: commands that could not be given;
    excluded: those left out, by reason; keys, destinations: distinct ones of those judged; capture: lookups with an
    attributed lookup of the same requester and key, each of which is one command's alone; counted: captured and not
    marked as maintenance, so that analysis counts it; capture_lookups, capture_announces: captured, for each kind
    of command; told_apart: of the captured of which the truth tells, by more than the count that montra reads,
    whether they are for a search or for a publish (no trials where lookups do not tell), those taken for what they
    are; destination, inferred: of the captured, those whose observed, or inferred, destination is the node that
    really was nearest to the key among all that received the query; *_by_key: the same share with an interval that
    does not take lookups of one key for independent; unexplained: of the lookups that analysis would count in the
    window, those that no command explains; split: captured lookups of which another part came out as a lookup of
    its own; misfiled: captured lookups that attribution marked as maintenance; causes: every miss under one cause;
    groups: results by client and label; reached_closest: lookups whose true destination was the nearest of all live
    nodes (the network's own quality, not montra's); coverage: share of the zone's node time during which the node
    was seen handing its monitor out.
    """

    run: str
    truth: str
    zone: str
    since_ns: int
    until_ns: int
    ended: str
    lookups: int
    skipped: int
    excluded: dict[str, int]
    keys: int
    destinations: int
    capture: Proportion
    capture_by_key: Clustered
    counted: Proportion
    capture_lookups: Proportion
    capture_announces: Proportion
    told_apart: Proportion
    destination: Proportion
    destination_by_key: Clustered
    inferred: Proportion
    inferred_by_key: Clustered
    unexplained: Proportion
    split: int
    misfiled: int
    copies: Copies
    causes: list[Cause]
    groups: list[Group]
    reached_closest: Proportion
    coverage: float
    arrivals: Arrivals
    completeness: Completeness

    @property
    def capture_misses(self) -> dict[str, int]:
        """Lookups not captured, by cause."""
        return self._misses("capture")

    @property
    def destination_misses(self) -> dict[str, int]:
        """Observed destinations that are wrong, by cause."""
        return self._misses("destination")

    @property
    def inferred_misses(self) -> dict[str, int]:
        """Inferred destinations that are wrong, by cause."""
        return self._misses("inferred")

    def _misses(self, what: str) -> dict[str, int]:
        return {cause.cause: cause.count for cause in self.causes if cause.what == what}

    @property
    def flaw(self) -> str:
        """Why the comparison is none of a whole workload, in a line; empty if it is."""
        if self.ended != "finished":
            return f"the workload did not finish: {self.ended}"
        if not self.capture.trials:
            return f"none of the {self.lookups} lookups could be judged"
        if self.skipped > MOST_SKIPPED * (self.lookups + self.skipped):
            given = self.lookups + self.skipped
            return f"the workload skipped {self.skipped} of {given} commands: too few free requesters"
        return ""
