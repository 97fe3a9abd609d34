"""Nodes with known stays, seen through crawls as an instrument sees them: late, coarsely, and not all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from analysis.attachments import Attachments
from analysis.load import Run
from crawler.completeness import estimate
from zone_store.captures import Attachment, CrawlRow
from zone_store.run.folder import Manifest

SECOND = 1_000_000_000
START_NS = 1_795_273_200 * SECOND
RECHECK_S = 7.0

EXPONENTIAL = stats.expon(scale=3000)
WEIBULL = stats.weibull_min(0.55, scale=3600)
LOGNORMAL = stats.lognorm(1.3, scale=2400)


@dataclass(frozen=True)
class World:
    """A zone whose nodes stay as `law` says. Durations in seconds.

    nodes: up at once on average; hours: of the window; crawl_s: of a crawl, each up to a tenth longer or shorter;
    pause_s: between crawls; found: chance that a crawl finds an unknown node; early: of newcomers that are heard of at
    once; sampled: chance that random questions name a node; moved: share of nodes whose monitor changes its address;
    silent: share that for a moment does not answer its monitor; renamed: share that take another ID in the zone after a
    while; left: share that take one outside; missed: chance that a crawl misses a node that is up.
    """

    law: Any
    nodes: float = 600.0
    hours: float = 5.0
    crawl_s: float = 60.0
    pause_s: float = 0.0
    found: float = 0.9
    early: float = 0.4
    sampled: float = 0.5
    moved: float = 0.1
    silent: float = 0.04
    renamed: float = 0.03
    left: float = 0.0
    missed: float = 0.005
    zone: str = "a4/8"


@dataclass(frozen=True)
class Seen:
    """What the instrument holds, and what is true: seconds from the window's start, of each stay that touches it."""

    run: Run
    attachments: list[Attachment]
    begin_s: NDArray[np.float64]
    end_s: NDArray[np.float64]

    def population(self, from_s: float, until_s: float) -> float:
        """Return the mean number of nodes up between two times."""
        inside = np.minimum(self.end_s, until_s) - np.maximum(self.begin_s, from_s)
        return float(np.maximum(inside, 0).sum() / (until_s - from_s))


def at(seconds: float) -> int:
    return START_NS + int(seconds * SECOND)


def arriving(world: World) -> float:
    """Return how many nodes come a second."""
    return float(world.nodes / world.law.mean())


def see(world: World, seed: int) -> Seen:
    """Live through a window and crawl it."""
    rng = np.random.default_rng(seed)
    window = world.hours * 3600
    begin, end = _stays(world, rng, window)
    begins, ends = _crawls(world, rng, window)
    n, m = len(begin), len(begins)
    asked = begins + rng.random((n, m)) * (ends - begins)
    up = (asked >= begin[:, None]) & (asked < end[:, None])
    found = _found(world, rng, begin, end, asked, up)
    known = found < window
    answers = up & (asked >= found[:, None]) & (rng.random((n, m)) >= world.missed)
    in_crawl = (found[:, None] >= begins) & (found[:, None] < ends)
    answers |= in_crawl
    answers[~known] = False
    lost = _given_up(answers, ends, found, window)
    rows = _rows(rng, world, begins, ends, found, answers)
    attachments = _attachments(world, rng, found, lost, end, window)
    manifest = Manifest(montra_version="0.1.0", overlay="mainline", zone=world.zone, start_ns=START_NS, sealed=True)
    end_ns = at(window)
    run = Run(
        name="run",
        manifest=manifest,
        start_ns=START_NS,
        end_ns=end_ns,
        gaps=(),
        captures=0,
        attachments=Attachments.of(attachments, manifest.id_bytes, end_ns),
        crawls=tuple(rows),
        losses=(),
    )
    return Seen(run, attachments, begin, end)


def _stays(world: World, rng: np.random.Generator, window: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return (begin, end) of the stays of a steady state."""
    pool = world.law.rvs(20_000, random_state=rng)
    met = rng.choice(pool, rng.poisson(world.nodes), p=pool / pool.sum())
    age = met * rng.random(len(met))
    come = rng.random(rng.poisson(arriving(world) * window)) * window
    length = world.law.rvs(len(come), random_state=rng)
    return np.concatenate([-age, come]), np.concatenate([met - age, come + length])


def _crawls(world: World, rng: np.random.Generator, window: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    lengths = world.crawl_s * rng.uniform(0.9, 1.1, int(window / world.crawl_s * 1.2) + 2)
    ends = np.cumsum(lengths + world.pause_s) - world.pause_s
    begins = ends - lengths
    inside = ends < window
    return begins[inside], ends[inside]


def _found(
    world: World,
    rng: np.random.Generator,
    begin: NDArray[np.float64],
    end: NDArray[np.float64],
    asked: NDArray[np.float64],
    up: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """Return when each is found, infinite for never."""
    hit = up & (rng.random(asked.shape) < world.found)
    found = np.where(hit.any(axis=1), asked[np.arange(len(asked)), hit.argmax(axis=1)], np.inf)
    heard = begin + rng.exponential(2.0, len(begin))
    early = (begin > 0) & (rng.random(len(begin)) < world.early) & (heard < end)
    return np.where(early, np.minimum(heard, found), found)


def _given_up(
    answers: NDArray[np.bool_], ends: NDArray[np.float64], found: NDArray[np.float64], window: float
) -> NDArray[np.float64]:
    """Return when each is given up: two crawls without an answer, and a last question; infinite if not in time."""
    missed = ~answers & (ends >= found[:, None])
    twice = missed[:, 1:] & missed[:, :-1] & (ends[:-1] > found[:, None])
    # the last answer counts: a node that was missed once and answers again goes on
    later = np.cumsum(answers[:, ::-1], axis=1)[:, ::-1] > 0
    twice &= ~later[:, 1:]
    at_crawl = ends[1:][twice.argmax(axis=1)] + RECHECK_S
    return np.where(twice.any(axis=1) & (at_crawl < window), at_crawl, np.inf)


def _rows(
    rng: np.random.Generator,
    world: World,
    begins: NDArray[np.float64],
    ends: NDArray[np.float64],
    found: NDArray[np.float64],
    answers: NDArray[np.bool_],
) -> list[CrawlRow]:
    rows = []
    for k in range(len(begins)):
        marked = answers[:, k] & (found < begins[k])
        sampled = answers[:, k] & (rng.random(len(found)) < world.sampled)
        answered = int(answers[:, k].sum())
        told = estimate(answered, int(marked.sum()), int(sampled.sum()), int((marked & sampled).sum()))
        new = answered - int(marked.sum())
        rows.append(
            CrawlRow(
                *(k + 1, at(begins[k]), at(ends[k]), answered, answered, new, 0, 0, answered, answered),
                *(told.population, told.share, told.low, told.high),
            )
        )
    return rows


def _attachments(
    world: World,
    rng: np.random.Generator,
    found: NDArray[np.float64],
    lost: NDArray[np.float64],
    end: NDArray[np.float64],
    window: float,
) -> list[Attachment]:
    rows: list[Attachment] = []
    for node in np.flatnonzero(found < window).tolist():
        begun, until, over = float(found[node]), float(lost[node]), float(end[node])
        stop, reason = (until, "gone") if until < window else (window, "sealed")
        target, ip = b"\xa4" + rng.bytes(19), 0x0A000000 + node
        middle = begun + 0.5 * (min(over, window) - begun)
        chance = rng.random()
        parts = [(target, begun, stop, reason)]
        if chance < world.moved:
            # the address of the monitor changes: the row begins with the node, as the one before
            parts = [(target, begun, middle, "moved"), (target, begun, stop, reason)]
        elif chance < world.moved + world.silent:
            parts = [(target, begun, middle, "silent"), (target, middle + 30, stop, reason)]
        elif chance < world.moved + world.silent + world.renamed:
            parts = [(target, begun, middle, "changed_id"), (b"\xa4" + rng.bytes(19), middle, stop, reason)]
        elif chance < world.moved + world.silent + world.renamed + world.left:
            parts = [(target, begun, middle, "changed_id")]
        for one, since, to, why in parts:
            if since < to:
                rows.append(_attachment(len(rows) + 1, one, ip, since, to, why))
    return rows


def _attachment(number: int, target: bytes, ip: int, found: float, lost: float, reason: str) -> Attachment:
    return Attachment(
        number, target, ip, 4000, target, 0x7F000001, 2000, at(found), at(found), at(found), (), at(lost), reason
    )
