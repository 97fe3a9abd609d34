"""How complete each crawl of the zone really was."""

from __future__ import annotations

import math
import statistics
from collections.abc import Collection, Iterable

import numpy as np

from montra.validation.comparison import Completeness
from montra.validation.coverage import Beside, beside_node
from montra.validation.truth import TruthNode
from zone_store.captures import CrawlRow

_NEVER = np.iinfo(np.int64).max


def completeness(
    nodes: Collection[TruthNode], beside: Beside, crawls: Iterable[CrawlRow], until_ns: int
) -> Completeness:
    """Measure the crawls that ended before until_ns against the zone's real nodes.

    The true completeness of a crawl is the share of the nodes alive throughout it that were known at its end.
    """
    listed = list(nodes)
    up = np.array([node.up_ns for node in listed], np.int64)
    down = np.array([node.down_ns or _NEVER for node in listed], np.int64)
    known = [(row, one.found_ns, one.lost_ns) for row, node in enumerate(listed) for one in beside_node(node, beside)]
    owner, found, lost = np.array(known, np.int64).reshape(-1, 3).T
    lost = np.where(lost == 0, _NEVER, lost)
    true: list[float] = []
    estimates: list[float] = []
    held = 0
    for crawl in crawls:
        alive = (up <= crawl.begin_ns) & (crawl.end_ns < down)
        if crawl.end_ns > until_ns or not alive.any():
            continue
        known_then = np.zeros(len(listed), np.bool_)
        known_then[owner[(found <= crawl.end_ns) & (crawl.end_ns < lost)]] = True
        share = int(np.count_nonzero(known_then & alive)) / int(np.count_nonzero(alive))
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
