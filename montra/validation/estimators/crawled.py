"""What crawls and monitors see of a population: found late, gone noticed later, the briefest never seen at all."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crawler.completeness import estimate
from montra.validation.estimators.laws import Floats
from montra.validation.estimators.population import Population
from montra.validation.estimators.world import HOUR_S, World
from zone_store.captures import Attachment, CrawlRow

#: After the second crawl without answer: one more check, and two questions of the monitor's.
_NOTICED_S = 7.0
_HEARD_WITHIN_S = 3.0
_MONITORS_IP = 0xC0000000


@dataclass(frozen=True, slots=True)
class Crawled:
    """What the instrument recorded of its targets.

    attachments, crawls: as stored; of int64[a]: the node of each attachment; from_s, to_s float64[a]: when its monitor
    heard lookups, from_s infinite where no monitor was attached.
    """

    attachments: list[Attachment]
    crawls: list[CrawlRow]
    of: NDArray[np.int64]
    from_s: Floats
    to_s: Floats


def crawl(world: World, people: Population, rng: np.random.Generator) -> Crawled:
    """Crawl the zone back to back through the window."""
    begins, ends = _times(world, rng)
    spans = _Spans(world, people, begins, ends, rng)
    attachments = []
    columns = (spans.node, spans.found_s, spans.from_s, spans.lost_s, spans.gone)
    for number, row in enumerate(zip(*(column.tolist() for column in columns), strict=True), 1):
        attachments.append(_attachment(world, people, number, *row))
    rows = _rows(world, people, spans, begins, ends, rng)
    return Crawled(attachments, rows, spans.node, spans.from_s, spans.lost_s)


def _times(world: World, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Return when crawls begin and end: in gaps there are none."""
    begins, ends, now = [], [], 0.0
    while now < world.seconds:
        length = world.crawl_s * rng.uniform(0.85, 1.15)
        gap = next(
            (until for begin, until in world.gaps if begin * HOUR_S < now + length and now < until * HOUR_S), 0.0
        )
        if gap:
            now = gap * HOUR_S
            continue
        begins.append(now)
        ends.append(min(now + length, world.seconds))
        now += length
    return np.array(begins), np.array(ends)


class _Spans:
    """From when to when each node is known; one that comes back before it is missed was never away, to a crawler.

    node int64[a]; found_s, from_s (attached; infinite if never), lost_s float64[a]; gone bool[a]: it was missed, not
    the instrument stopped, as it does at the end and before a gap, after which all begins anew.
    """

    def __init__(
        self, world: World, people: Population, begins: Floats, ends: Floats, rng: np.random.Generator
    ) -> None:
        rows: list[tuple[int, float, float, bool]] = []
        asked = begins[:, None] + rng.random((len(begins), len(people.ids))) * (ends - begins)[:, None]
        for since, until in _parts(world):
            here = asked[(begins >= since) & (begins < until)]
            first = len(rows)
            for node, begin, end in zip(
                people.node.tolist(), people.begin_s.tolist(), people.end_s.tolist(), strict=True
            ):
                if end <= since or begin >= until:
                    continue
                times = here[:, node]
                lost = _second_after(times, end)
                gone = lost < until
                last = rows[-1] if len(rows) > first else None
                if last and last[0] == node and begin < last[2]:
                    rows[-1] = (node, last[1], min(lost, until), gone)
                    continue
                found = _found(world, times, since, begin, end, rng)
                if found < until:
                    rows.append((node, found, min(lost, until), gone))
        self.node = np.array([row[0] for row in rows], np.int64)
        self.found_s = np.array([row[1] for row in rows])
        self.lost_s = np.array([row[2] for row in rows])
        self.gone = np.array([row[3] for row in rows], np.bool_)
        takes = rng.uniform(0.4, 3.0, len(rows))
        self.from_s = np.where(people.mute[self.node], np.inf, self.found_s + takes)


def _parts(world: World) -> list[tuple[float, float]]:
    """Return the times from which to which the instrument ran."""
    edges = [0.0, *(HOUR_S * edge for gap in world.gaps for edge in gap), world.seconds]
    return list(zip(edges[::2], edges[1::2], strict=True))


def _found(world: World, times: Floats, since: float, begin: float, end: float, rng: np.random.Generator) -> float:
    """Return when a session is first heard of, infinite if it is over before."""
    if begin > since and rng.random() < world.early:
        heard = begin + float(rng.exponential(_HEARD_WITHIN_S))
        if heard < end and world.running(heard):
            return heard
    there = times[(times >= begin) & (times < end)]
    hit = np.flatnonzero(rng.random(len(there)) < world.discovered)
    return float(there[hit[0]]) if len(hit) else np.inf


def _second_after(times: Floats, end: float) -> float:
    """Return when two crawls in a row have missed a node that left at `end`; infinite if the window ends before."""
    first = int(np.searchsorted(times, end))
    return float(times[first + 1]) + _NOTICED_S if first + 1 < len(times) else np.inf


def _attachment(
    world: World, people: Population, number: int, node: int, found: float, accepted: float, until: float, gone: bool
) -> Attachment:
    attached = accepted < until
    target = people.ids[node].tobytes()
    monitor = target[:-1] + bytes([target[-1] ^ 1])
    seen = accepted + 2.0
    return Attachment(
        number,
        target,
        int(people.ip[node]),
        int(people.port[node]),
        monitor,
        _MONITORS_IP + (number << 8),
        20000 + number % 32,
        world.at_ns(found),
        world.at_ns(min(found + 0.2, until)),
        world.at_ns(accepted) if attached else 0,
        ((world.at_ns(seen), 0),) if attached and seen < until else (),
        world.at_ns(until),
        "gone" if gone else "sealed",
        int(people.version[node]) if attached else 0,
        int(people.status[node]) if attached else 0,
    )


def _rows(
    world: World, people: Population, spans: _Spans, begins: Floats, ends: Floats, rng: np.random.Generator
) -> list[CrawlRow]:
    """Return the crawls: a node answers where it is known or found in it, and is sampled by chance."""
    rows = []
    was = 0
    for number, (begin, end) in enumerate(zip(begins.tolist(), ends.tolist(), strict=True), 1):
        alive = _alive_at(people, (begin + end) / 2)
        first = np.full(len(people.ids), np.inf)
        np.minimum.at(
            first, spans.node, np.where((spans.lost_s > begin) & (spans.found_s <= end), spans.found_s, np.inf)
        )
        marked, found = alive & (first <= begin), alive & (first <= end)
        # Who is named by others is found by that: newcomers are sampled more rarely than those long known.
        sampled = found & (rng.random(len(alive)) < world.sampled)
        answered = int(found.sum())
        told = estimate(answered, int(marked.sum()), int(sampled.sum()), int((marked & sampled).sum()))
        new = answered - int(marked.sum())
        seen = answered + int(rng.poisson(0.2 * answered))
        gone = max(0, was + new - answered)
        rows.append(
            CrawlRow(
                *(number, world.at_ns(begin), world.at_ns(end), seen, answered, new, gone, 0, 2 * seen, 2 * answered),
                *(told.population, told.share, told.low, told.high),
            )
        )
        was = answered
    return rows


def _alive_at(people: Population, time_s: float) -> NDArray[np.bool_]:
    alive = np.zeros(len(people.ids), np.bool_)
    alive[people.node[(people.begin_s <= time_s) & (people.end_s > time_s)]] = True
    return alive
