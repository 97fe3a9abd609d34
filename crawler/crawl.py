"""One crawl: what it waits for, the count at its end, and when the next one begins."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from crawler.completeness import UNKNOWN, estimate
from crawler.population import Node
from crawler.settings import CrawlSettings, nanoseconds
from zone_store.captures import CrawlRow

#: "No wake-up wanted", the largest int64.
NEVER_NS = 2**63 - 1


@dataclass(slots=True)
class Crawl:
    """A crawl under way.

    open: its questions neither answered nor given up; entering: those of them to nodes outside the zone; enough: nodes
    of the zone that must answer before helpers are left in peace; replied: anybody answered; asked_bootstrap,
    bootstrapped: bootstrap nodes were asked, and one answered.
    """

    number: int
    begin_ns: int
    deadline_ns: int
    enough: int
    open: int = 0
    entering: int = 0
    replied: bool = False
    asked_bootstrap: bool = False
    bootstrapped: bool = False


class Schedule:
    """When the next crawl starts: back to back, or after ever longer rests while nobody in the zone answers."""

    def __init__(self, settings: CrawlSettings) -> None:
        self.next_ns = NEVER_NS
        self.empty = 0  # crawls in a row without an answer of the zone
        self._pause_ns = nanoseconds(settings.pause_s)
        self._rest_s, self._longest_s = settings.empty_s, settings.empty_max_s

    def ended(self, now_ns: int, crawl: Crawl, alive: bool) -> None:
        """Set the start of the next crawl. alive: somebody in the zone answered."""
        if alive:
            self.empty = 0
            self.next_ns = max(now_ns, crawl.begin_ns + self._pause_ns)
            return
        # The exponent is bounded only to keep the number small.
        rest_s = min(self._rest_s * 2 ** min(self.empty, 40), self._longest_s)
        self.empty += 1
        self.next_ns = now_ns + max(nanoseconds(rest_s), self._pause_ns)


@dataclass(slots=True)
class Census:
    """The nodes of the zone as a crawl leaves them (counts as in completeness.py, silent: asked in vain)."""

    answered: int = 0
    marked: int = 0
    sampled: int = 0
    recaptured: int = 0
    dark: int = 0
    silent: list[Node] = field(default_factory=list)

    @classmethod
    def of(cls, nodes: Iterable[Node], crawl: int) -> Census:
        """Count the nodes at the end of a crawl."""
        census = cls()
        for node in nodes:
            if node.answered != crawl:
                if node.missed == crawl:
                    census.silent.append(node)
                continue
            is_marked, is_sampled = node.found_crawl < crawl, node.sampled == crawl
            census.answered += 1
            census.marked += is_marked
            census.sampled += is_sampled
            census.recaptured += is_marked and is_sampled
            census.dark += is_marked and node.listed != crawl
        return census

    def row(
        self,
        crawl: Crawl,
        end_ns: int,
        seen: int,
        new: int,
        gone: int,
        changed: int,
        queries: int,
        replies: int,
        *,
        disturbed: bool = False,
    ) -> CrawlRow:
        """Return the crawl's row: this census, and what was counted elsewhere.

        disturbed: who was asked depended on what our own link let through, so nothing follows about completeness.
        """
        known = UNKNOWN if disturbed else estimate(self.answered, self.marked, self.sampled, self.recaptured)
        return CrawlRow(
            number=crawl.number,
            begin_ns=crawl.begin_ns,
            end_ns=end_ns,
            seen=seen,
            answered=self.answered,
            new=new,
            gone=gone,
            changed=changed,
            queries=queries,
            replies=replies,
            estimate=known.population,
            completeness=known.share,
            completeness_low=known.low,
            completeness_high=known.high,
        )
