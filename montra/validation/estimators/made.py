"""A synthetic world as a run folder, and all that truly happened in it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from montra.validation.estimators.crawled import Crawled, crawl
from montra.validation.estimators.demand import (
    FILE,
    KEYWORD,
    Asked,
    Keys,
    Requesters,
    exact_searches,
    keys_of,
    publishes,
    requesters_of,
    searches,
)
from montra.validation.estimators.hearing import Reached, captured, heard, reach, try_capture
from montra.validation.estimators.laws import Floats
from montra.validation.estimators.population import Population, populate
from montra.validation.estimators.world import HOUR_S, World
from montra.validation.wilson import wilson
from zone_store.captures import Captures, Loss
from zone_store.contents import Content, What
from zone_store.keyspace.zone import Zone
from zone_store.losses import NOT_RUNNING
from zone_store.run.folder import Manifest, create_run
from zone_store.run.writer import RunWriter

VALIDATION = "validation.json"
_TOLD_SORTS = 0.8
"""Share of keys of which somebody said what they are."""


@dataclass(frozen=True, slots=True)
class Made:
    """One run and its truth.

    asked: every lookup that was made in the window, heard or not; earlier: publishes in the interval before it;
    reached: by lookups of `asked`; heard bool[n]: a copy of it is in the run; sorted_keys bool[k]: of which the run
    tells what they are; pace float64[k]: share of their rates at which keys were asked for.
    """

    folder: Path
    world: World
    people: Population
    crawled: Crawled
    keys: Keys
    requesters: Requesters
    asked: Asked
    earlier: Asked
    reached: Reached
    heard: NDArray[np.bool_]
    sorted_keys: NDArray[np.bool_]
    pace: Floats


def make(world: World, parent: Path, rng: np.random.Generator, keys: Keys | None = None) -> Made:
    """Play a world and write its run into a new folder of `parent`; keys: given, or drawn."""
    people = populate(world, rng)
    crawled = crawl(world, people, rng)
    keys = keys_of(world, rng) if keys is None else keys
    who = requesters_of(world, rng)
    own, pace = (exact_searches if world.popularity else searches)(world, keys, who, rng)
    parts = [own]
    for sort, kind in ((FILE, world.files), (KEYWORD, world.keywords)):
        if kind is not None:
            parts.append(publishes(world, keys, kind, sort, who, rng))
    everything = Asked.joined(parts)
    asked, earlier = everything.take(everything.time_s >= 0), everything.take(everything.time_s < 0)
    reached = reach(world, people, keys.ids[asked.key], asked.time_s, rng)
    copies = heard(world, people, crawled, reached, asked.time_s, rng)
    was_heard = np.zeros(len(asked.time_s), np.bool_)
    was_heard[copies[0]] = True
    told = (keys.sort > 0) & (rng.random(len(keys.sort)) < _TOLD_SORTS)
    folder = create_run(parent, world.start_ns, world.overlay, Zone.parse(world.zone, 8 * world.id_bytes))
    captures = captured(world, keys, who, asked, copies)
    _write(folder, world, crawled, captures, _contents(world, keys, who, asked, copies, told))
    if world.told:
        hits, trials = try_capture(world, people, crawled, rng)
        share = wilson(hits, trials)
        row = {"share": share.share, "low": share.low, "high": share.high, "trials": trials}
        (folder / VALIDATION).write_text(json.dumps({"capture": row}))
    return Made(folder, world, people, crawled, keys, who, asked, earlier, reached, was_heard, told, pace)


def _contents(
    world: World,
    keys: Keys,
    who: Requesters,
    asked: Asked,
    copies: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]],
    told: NDArray[np.bool_],
) -> list[Content]:
    """Return what the first heard requester of each key said of it."""
    rows, attachment, at = copies
    first = np.unique(asked.key[rows], return_index=True)[1]
    found = []
    for copy in first[told[asked.key[rows[first]]]].tolist():
        row = int(rows[copy])
        key, asker = int(asked.key[row]), int(asked.requester[row])
        what = What.SOURCE if keys.sort[key] == FILE else What.KEYWORD
        name = keys.ids[key].tobytes()
        found.append(
            Content(
                world.at_ns(float(at[copy]) + 1),
                int(attachment[copy]) + 1,
                int(who.ip[asker]),
                int(who.port[asker]),
                what,
                name,
                name if what is What.SOURCE else b"",
                1000 + key if what is What.SOURCE else 0,
            )
        )
    return found


def _write(folder: Path, world: World, crawled: Crawled, captures: Captures, contents: list[Content]) -> None:
    manifest = Manifest(
        montra_version="0",
        overlay=world.overlay,
        zone=str(Zone.parse(world.zone, 8 * world.id_bytes)),
        id_bits=8 * world.id_bytes,
        start_ns=world.start_ns,
    )
    with RunWriter(folder, manifest, "") as writer:
        for attachment in crawled.attachments:
            writer.attachment(attachment)
        for row in crawled.crawls:
            writer.crawl(row)
        for begin, end in world.gaps:
            writer.loss(Loss(NOT_RUNNING, world.at_ns(begin * HOUR_S), world.at_ns(end * HOUR_S), 1))
        for content in contents:
            writer.content(content)
        writer.captures(captures)
        writer.seal(world.at_ns(world.seconds), "done")
