"""What a crawl may be told: times, bounds and rates."""

from __future__ import annotations

from dataclasses import dataclass, fields

SECOND_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class CrawlSettings:
    """Settings of a zone crawler; seconds are floats. Raises ValueError, one line, for a value that cannot work.

    timeout_s, retries: how long an answer may take, and how often a question is put again.
    queries_per_node: questions to each node of the zone in each crawl: its own ID, then slices of its table. With 1
        there are no random questions, hence no estimate of completeness.
    sample_share: share of the nodes still asked for slices once these name nobody new (sampling.py); 1 asks all.
    gone_after, recheck_s: crawls without answer before a node counts as gone, after one more check so much later.
    pause_s: least time between the starts of two crawls; max_crawl_s: a longer crawl is cut short.
    spacing_s: least time between two packets to one address (libtorrent blocks a source of 50 packets in 10 s).
    max_in_flight, max_pps: open questions, and packets a second over all.
    max_nodes, max_contacts: answering nodes of the zone, and silent or not yet asked addresses, kept at once.
    contacts_per_source: new addresses believed from one IP address in one crawl.
    nodes_per_ip: addresses of the zone with one IP; more look like a Sybil pattern.
    changes_per_node: other IDs that one address may answer under before it is dropped.
    max_helpers: nodes outside the zone kept to enter it, and questions to such in one crawl.
    bootstrap_every_s: how often the bootstrap nodes are asked while the zone answers.
    silent_s, silent_max_s: rest for an address that did not answer, doubled each time up to the maximum.
    empty_s, empty_max_s: the same for the next crawl after one that found nobody in the zone.
    private: believe contacts in private and loopback networks; None = if a bootstrap node is in one.
    """

    timeout_s: float = 2.0
    retries: int = 1
    queries_per_node: int = 2
    sample_share: float = 0.125
    gone_after: int = 2
    recheck_s: float = 3.0
    pause_s: float = 1.0
    max_crawl_s: float = 1800.0
    spacing_s: float = 1.0
    max_in_flight: int = 2000
    max_pps: float = 1000.0
    max_nodes: int = 400_000
    max_contacts: int = 400_000
    contacts_per_source: int = 100
    nodes_per_ip: int = 8
    changes_per_node: int = 5
    max_helpers: int = 64
    bootstrap_every_s: float = 60.0
    silent_s: float = 15.0
    silent_max_s: float = 1800.0
    empty_s: float = 5.0
    empty_max_s: float = 60.0
    private: bool | None = None

    def __post_init__(self) -> None:
        may_be_zero = {"retries", "recheck_s", "spacing_s", "bootstrap_every_s"}
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name == "private":
                continue
            # "not above" rather than "below", so that NaN is refused too.
            if not (value >= 0 if field.name in may_be_zero else value > 0):
                bound = "0 or more" if field.name in may_be_zero else "more than 0"
                raise ValueError(f"crawl setting {field.name} = {value!r}: must be {bound}")
        if self.sample_share > 1:
            raise ValueError(f"crawl setting sample_share = {self.sample_share!r}: must be at most 1")
        if self.silent_max_s < self.silent_s or self.empty_max_s < self.empty_s:
            raise ValueError("crawl settings silent_max_s and empty_max_s must not be below silent_s and empty_s")


def nanoseconds(seconds: float) -> int:
    """Return a duration in whole nanoseconds."""
    return round(seconds * SECOND_NS)
