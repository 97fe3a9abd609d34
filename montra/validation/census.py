"""How complete each crawl of the zone really was."""

from __future__ import annotations

import math
import statistics
from collections.abc import Collection, Iterable

from montra.validation.comparison import Completeness
from montra.validation.coverage import Beside, beside_node
from montra.validation.truth import TruthNode
from zone_store.captures import Attachment, CrawlRow


def completeness(
    nodes: Collection[TruthNode], beside: Beside, crawls: Iterable[CrawlRow], until_ns: int
) -> Completeness:
    """Measure the crawls that ended before until_ns against the zone's real nodes.

    The true completeness of a crawl is the share of the nodes alive throughout it that were known at its end.
    """
    true: list[float] = []
    estimates: list[float] = []
    held = 0
    for crawl in crawls:
        alive = [node for node in nodes if node.up_ns <= crawl.begin_ns and node.lives(crawl.end_ns)]
        if crawl.end_ns > until_ns or not alive:
            continue
        share = sum(any(_known(row, crawl.end_ns) for row in beside_node(node, beside)) for node in alive) / len(alive)
        true.append(share)
        if crawl.estimate > 0:
            estimates.append(crawl.completeness)
            held += crawl.completeness_low <= share <= crawl.completeness_high
    return Completeness(
        crawls=len(true),
        median=statistics.median(true) if true else math.nan,
        least=min(true, default=math.nan),
        estimated=len(estimates),
        estimate_median=statistics.median(estimates) if estimates else math.nan,
        held=held,
    )


def _known(attachment: Attachment, t_ns: int) -> bool:
    return attachment.found_ns <= t_ns and not 0 < attachment.lost_ns <= t_ns
