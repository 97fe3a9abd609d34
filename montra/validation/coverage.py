"""How long, and how soon, the zone's nodes hand out their monitors."""

from __future__ import annotations

import math
from collections.abc import Iterable

from montra.validation.comparison import Arrivals
from montra.validation.survival import Delay, quantiles
from montra.validation.truth import TruthNode
from zone_store.captures import Attachment

Beside = dict[tuple[bytes, int, int], list[Attachment]]
"""Attachments by their target's ID and address."""


def by_target(attachments: Iterable[Attachment]) -> Beside:
    """Return attachments by the ID and address of their target, a list for each in the order given."""
    beside: Beside = {}
    for attachment in attachments:
        target = attachment.target_id, attachment.target_ip, attachment.target_port
        beside.setdefault(target, []).append(attachment)
    return beside


def beside_node(node: TruthNode, beside: Beside) -> list[Attachment]:
    """Return the attachments of a real node."""
    return beside.get((node.node_id, node.ip, node.port), [])


def coverage(nodes: Iterable[TruthNode], beside: Beside, since_ns: int, until_ns: int) -> float:
    """Return the share of the nodes' life within [since_ns, until_ns) in which they were visible; NaN for no life.

    Times in which a thin fleet left a node without a monitor do not count.
    """
    life = seen = 0
    for node in nodes:
        begin, end = max(node.up_ns, since_ns), min(node.down_ns or until_ns, until_ns)
        if begin >= end:
            continue
        attachments = beside_node(node, beside)
        bare = [(one.found_ns, one.lost_ns or end) for one in attachments if not one.monitor_port]
        life += end - begin - sum(max(0, min(last, end) - max(first, begin)) for first, last in bare)
        intervals = [interval for attachment in attachments for interval in attachment.visible]
        at = begin
        for first, last in sorted((first, last or end) for first, last in intervals):
            # attachments that follow each other may overlap by the time it takes to notice
            seen += max(0, min(last, end) - max(first, at))
            at = max(at, min(last, end))
    return seen / life if life else math.nan


def arrivals(nodes: Iterable[TruthNode], beside: Beside, since_ns: int, until_ns: int) -> Arrivals:
    """Measure the delay from start to visible, of the nodes that started within [since_ns, until_ns).

    Those that left, or were still waiting at until_ns, are censored: they count until then, and not as never visible.
    Those that a thin fleet gave no monitor are left out.
    """
    came = [node for node in nodes if since_ns <= node.up_ns < until_ns and not _bare(beside_node(node, beside))]
    delays = []
    left = 0
    for node in came:
        end = min(node.down_ns or until_ns, until_ns)
        begins = [first for attachment in beside_node(node, beside) for first, _ in attachment.visible if first < end]
        delays.append(Delay((min(begins, default=end) - node.up_ns) / 1e9, bool(begins)))
        left += not begins and 0 < node.down_ns <= until_ns
    visible = sum(delay.ended for delay in delays)
    median_s, p90_s = quantiles(delays, (0.5, 0.9))
    return Arrivals(len(came), visible, left, len(came) - visible - left, median_s, p90_s)


def _bare(attachments: list[Attachment]) -> bool:
    """Tell whether a node is known, and never had a monitor."""
    return bool(attachments) and not any(one.monitor_port for one in attachments)
