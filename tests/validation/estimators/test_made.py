"""Synthetic runs hold what their truth says, and are runs as any other."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from montra.validation.estimators.demand import FILE, KEYWORD
from montra.validation.estimators.laws import Popularity, Weibull
from montra.validation.estimators.made import Made, make
from montra.validation.estimators.world import HOUR_S, Publishing, World
from montra.window.analyze import attribute_run
from zone_store.captures import Lookups
from zone_store.run.reader import RunReader
from zone_store.run.verify import verify

SMALL = World("small", hours=1.0, nodes=80.0, keys=300, requesters=400, told=200)


def lookups_of(made: Made) -> list[Lookups]:
    attribute_run(made.folder, workers=1)
    with RunReader(made.folder) as reader:
        return list(reader.lookups())


def test_a_world_is_a_sound_run_and_its_lookups_are_those_that_were_heard(tmp_path: Path) -> None:
    made = make(SMALL, tmp_path, np.random.default_rng(1))
    assert verify(made.folder).ok
    tables = lookups_of(made)
    assert sum(len(table) for table in tables) == pytest.approx(int(made.heard.sum()), rel=0.005)
    assert made.heard.mean() == pytest.approx(1 - SMALL.miss, abs=0.03)
    assert (np.concatenate([table.maintenance for table in tables]) == 0).mean() > 0.995


def test_most_lookups_are_attributed_to_the_node_where_they_ended(tmp_path: Path) -> None:
    made = make(SMALL, tmp_path, np.random.default_rng(2))
    key_of = {key.tobytes(): i for i, key in enumerate(made.keys.ids)}
    number_to_node = {one.number: one.target_id for one in made.crawled.attachments}
    right = total = 0
    nearest = {
        (int(key), round(float(time), 0)): made.people.ids[made.people.node[session]].tobytes()
        for key, time, session in zip(made.asked.key, made.asked.time_s, made.reached.session[:, 0], strict=True)
    }
    for table in lookups_of(made):
        times = (table.time_ns - SMALL.start_ns) / 1e9
        for key, time, inferred in zip(table.key, times.tolist(), table.inferred.tolist(), strict=True):
            true = next(
                (nearest[at] for d in (0, -1) if (at := (key_of[key.tobytes()], round(time) + d)) in nearest), None
            )
            if true is not None:
                total += 1
                right += number_to_node[inferred] == true
    assert total > 2000
    assert right / total > 0.93


def test_the_population_stands_about_its_mean_and_nodes_come_and_go(tmp_path: Path) -> None:
    world = replace(SMALL, nodes=400.0, lookups_a_minute=1.0, stay=Weibull(HOUR_S), hours=2.0)
    alive = [
        make(world, tmp_path / str(seed), np.random.default_rng(seed)).people.alive(np.linspace(0, world.seconds, 50))
        for seed in range(8)
    ]
    assert np.mean(alive) == pytest.approx(400, rel=0.04)
    assert np.mean([a[0] for a in alive]) == pytest.approx(400, rel=0.06)
    assert np.mean([a[-1] for a in alive]) == pytest.approx(400, rel=0.06)


def test_nothing_is_captured_in_a_gap(tmp_path: Path) -> None:
    world = replace(SMALL, gaps=((0.4, 0.6),))
    made = make(world, tmp_path, np.random.default_rng(3))
    begin, end = world.at_ns(0.4 * HOUR_S), world.at_ns(0.6 * HOUR_S)
    with RunReader(made.folder) as reader:
        times = np.concatenate([batch.time_ns for batch in reader.captures()])
        assert [(loss.name, loss.begin_ns, loss.end_ns) for loss in reader.losses()] == [("not_running", begin, end)]
    assert not ((times >= begin) & (times < end)).any()
    assert (times < begin).any()
    assert (times >= end).any()


def test_counts_of_a_law_are_made_exactly(tmp_path: Path) -> None:
    world = replace(SMALL, popularity=Popularity("power_law", 2.2), requesters=3000)
    made = make(world, tmp_path, np.random.default_rng(4))
    made_of = np.bincount(made.asked.key, minlength=len(made.keys.ids))
    wanted = np.round(made.keys.rate * world.seconds / 60)
    assert (made_of == wanted).mean() > 0.99
    assert made_of.sum() == pytest.approx(wanted.sum(), rel=0.02)


def test_publishers_repeat_after_their_interval(tmp_path: Path) -> None:
    files = Publishing(Popularity("power_law", 1.8), HOUR_S / 4)
    world = replace(SMALL, overlay="kad", files=files, keywords=replace(files, interval_s=HOUR_S))
    made = make(world, tmp_path, np.random.default_rng(5))
    publish = made.asked.kind == 5
    mean = made.keys.publishers[made.keys.sort == FILE].sum() * 4
    assert (made.keys.sort[made.asked.key[publish]] == FILE).sum() == pytest.approx(mean, rel=0.1)
    pairs = made.asked.key[publish] * 1000 + made.asked.requester[publish]
    order = np.lexsort((made.asked.time_s[publish], pairs))
    gaps = np.diff(made.asked.time_s[publish][order])[np.diff(pairs[order]) == 0]
    of_file = made.keys.sort[made.asked.key[publish]][order][1:][np.diff(pairs[order]) == 0] == FILE
    assert gaps[of_file].min() >= HOUR_S / 4
    assert np.median(gaps[of_file]) < HOUR_S / 4 * 1.01
    assert set(made.keys.sort.tolist()) == {FILE, KEYWORD}
    with RunReader(made.folder) as reader:
        assert {content.what for content in reader.contents()} == {"source", "keyword"}


def test_the_same_seed_makes_the_same_run(tmp_path: Path) -> None:
    one, two = (make(SMALL, tmp_path / name, np.random.default_rng(6)) for name in ("a", "b"))
    assert (one.folder / "SHA256SUMS").read_bytes() == (two.folder / "SHA256SUMS").read_bytes()
