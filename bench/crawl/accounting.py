"""What must add up after a run: nothing sent, answered or asked goes missing, and no limit was broken."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from montra.endpoint.limits import LimitSettings, Rate

#: Arrivals are up to some milliseconds later than the decision to send.
_JITTER = 0.5


def problems(system: str, result: dict[str, Any], limits: LimitSettings | None) -> Iterator[str]:
    """Yield a line for whatever does not add up. limits: those the crawl had to keep, None for plain code."""
    swarm = result["swarm"]
    ended = sum(swarm[name] for name in ("answered", "silent", "foreign", "malformed", "failed"))
    yield from _same(system, "queries that reached the swarm", swarm["received"], "those it dealt with", ended)
    if swarm["foreign"] or swarm["malformed"]:
        yield f"{system}: {swarm['foreign']} queries to nobody, {swarm['malformed']} that are none"
    if result["invented"]:
        yield f"{system}: {result['invented']} nodes found that do not exist"
    if limits is None:
        yield from _same(system, "queries sent", result["sent"], "queries that arrived", _arrived(swarm))
        return
    endpoint, crawler, row = result["endpoint"], result["crawler"], result["row"]
    if row is None:
        yield f"{system}: the crawl did not end"
        return
    unsent = sum(count for name, count in endpoint.items() if name.startswith(("rate_limited_", "outbox_", "send_")))
    yield from _same(system, "questions put", row["queries"], "sent and held back", endpoint["sent"] + unsent)
    yield from _same(system, "queries sent", endpoint["sent"], "queries that arrived", _arrived(swarm))
    came = endpoint["received"] + endpoint.get("kernel_drops", 0)
    yield from _same(system, "answers sent", swarm["answered"], "answers that came or were dropped", came)
    refused = sum(
        count
        for name, count in crawler.items()
        if name in ("duplicate_reply", "unexpected_reply", "query_ignored") or name.startswith("malformed_")
    )
    yield from _same(system, "answers received", endpoint["received"], "taken and refused", row["replies"] + refused)
    for name, rate in (("target", limits.target), ("subnet", limits.subnet)):
        yield from _within(system, name, result[name]["burst"], rate)


def _arrived(swarm: dict[str, Any]) -> int:
    arrived: int = swarm["received"] + swarm["dropped"]
    return arrived


def _same(system: str, name: str, count: int, other: str, other_count: int) -> Iterator[str]:
    if count != other_count:
        yield f"{system}: {name} {count}, {other} {other_count}"


def _within(system: str, name: str, burst: float, rate: Rate) -> Iterator[str]:
    if burst > rate.burst + _JITTER:
        yield f"{system}: limit of the {name} broken: a burst of {burst:.1f} at {rate.per_s:g}/s, allowed {rate.burst}"
