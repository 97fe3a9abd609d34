"""One crawl: what it waits for, and the count at its end."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from crawler.completeness import UNKNOWN, estimate
from crawler.population import Node
from zone_store.captures import CrawlRow


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
