"""The chapter of a run from its folder: numbers, tables and figures, and the same over several runs."""

from __future__ import annotations

import math
import pickle
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest

from analysis.analyze import examine
from analysis.imbalance.estimates import Estimate
from analysis.imbalance.figures import figures
from analysis.imbalance.over import over
from analysis.imbalance.runs import envelope, mean_over_zones
from analysis.result import Analysis

from ..samples import GIVEN, LT, START_NS, Contents, attachment, make_run
from .worlds import LEAST_HITS, hits


def busy(seed: int = 1) -> Contents:
    """Ten minutes of 400 lookups for 60 keys at 24 nodes, each heard by the nearest and, half of them, by another."""
    rng = np.random.default_rng(seed)
    ids = rng.integers(0, 256, (24, 20), np.uint8)
    ids[:, 0] = 0xA4 | ids[:, 0] & 3
    keys = rng.integers(0, 256, (60, 20), np.uint8)
    keys[:, 0] = 0xA4 | keys[:, 0] & 3
    asked = rng.choice(60, 400, p=np.arange(60, 0, -1) ** 2 / (np.arange(61) ** 2).sum())
    rows = []
    for second, which in zip(np.sort(rng.uniform(10, 590, 400)), asked.tolist(), strict=True):
        near = np.argsort([int.from_bytes(one.tobytes()) ^ int.from_bytes(keys[which].tobytes()) for one in ids])
        source = (0x0A000000 + int(rng.integers(1, 1 << 20)), 6881)
        copies = near[: 2 if rng.random() < 0.5 else 1].tolist()
        rows += [(float(second), node + 1, source, keys[which].tobytes(), 1, LT, 0) for node in copies]
    return Contents(captures=rows, attachments=[attachment(i + 1, one.tobytes()) for i, one in enumerate(ids)])


@pytest.fixture(scope="module")
def analysis(tmp_path_factory: pytest.TempPathFactory) -> Analysis:
    """The analysis of a busy run."""
    folder = make_run(tmp_path_factory.mktemp("busy") / "run", busy())
    return examine(folder, folder / "analysis", GIVEN)


def test_numbers_have_names_functions_and_reasons(analysis: Analysis) -> None:
    numbers = {one.name: one for one in analysis.imbalance.quantities()}
    assert len(numbers) == len(analysis.imbalance.quantities())
    for one in numbers.values():
        assert one.meaning.endswith(".")
        assert one.function.startswith("analysis.imbalance.")
        assert bool(one.withheld) != one.told, one.name
        assert not one.bounded or one.low <= one.value <= one.high, one.name
    assert numbers["nodes"].value == 24
    assert 0 < numbers["nodes_gaps_gini"].value < numbers["nodes_gini"].value < 1
    assert numbers["nodes_hashing_gini"].low < numbers["nodes_hashing_gini"].value
    assert numbers["keys_looked_up"].value == len(np.unique([row[3] for row in busy().captures]))
    # Nobody measured what was missed: the captured load is told, without an interval.
    assert not numbers["nodes_gini"].bounded
    assert "nobody measured" in numbers["nodes_gini"].method
    assert numbers["node_rates_gini"].bounded


def test_tables_add_up(analysis: Analysis) -> None:
    tables = {one.name: one for one in analysis.imbalance.tables()}
    load = tables["load"]
    assert (len(load), np.asarray(load.column("lookups")).sum()) == (24, 400)
    keys = tables["key_load"]
    assert (np.asarray(keys.column("lookups")) * np.asarray(keys.column("keys"))).sum() == 400
    carried = tables["carriers"]
    assert np.asarray(carried.column("lookups")).sum() == 400  # of fewer than a hundred keys all are told
    assert carried.people == tables["hottest"].people == "requesters"
    assert tables["caching"].column("keys")[:2].tolist() == [0, 1]
    for one in tables.values():
        assert all(len(column.values) == len(one) for column in one.columns)
        assert all(column.meaning for column in one.columns)


def test_what_was_missed_and_who_told_it_is_carried_to_the_numbers(analysis: Analysis) -> None:
    found = replace(analysis.imbalance, capture="canaries")
    numbers = {one.name: one for one in found.quantities()}
    assert numbers["nodes_gini"].inputs == ("lookups", "targets", "canaries")
    assert numbers["keys_gini"].inputs == ("lookups", "canaries")
    assert "drawn again and again" in numbers["nodes_gini"].method


def test_the_chapter_is_small_and_can_be_sent(analysis: Analysis) -> None:
    sent = pickle.dumps(analysis.imbalance)
    assert len(sent) < 50_000
    assert repr(pickle.loads(sent).quantities()) == repr(analysis.imbalance.quantities())


def test_figures_are_drawn_from_enough_only(analysis: Analysis, tmp_path: Path) -> None:
    drawn = {one.name: one for one in figures(analysis)}
    assert list(drawn) == ["load", "key_load", "hottest", "caching"]  # no lookup ended elsewhere
    assert len(drawn["hottest"].data) == 20
    assert "% of nodes" in drawn["load"].document
    few = make_run(tmp_path / "few", Contents())
    empty = examine(few, few / "analysis", GIVEN)
    assert figures(empty) == []
    assert all(one.withheld or one.told for one in empty.imbalance.quantities())


def runs(analysis: Analysis, zones: list[str]) -> list[Analysis]:
    """Return the analysis as if of several zones, three hours apart."""
    return [
        replace(
            analysis,
            run=replace(
                analysis.run,
                manifest=msgspec.structs.replace(analysis.run.manifest, zone=zone),
                start_ns=START_NS + i * 10_800_000_000_000,
            ),
        )
        for i, zone in enumerate(zones)
    ]


def test_several_runs_are_put_together(analysis: Analysis) -> None:
    found = over(runs(analysis, ["a4/6", "3c/6", "7c/6", "3c/6"]))
    assert found is not None
    assert [row.zone for row in found.rows] == ["3c/6", "3c/6", "7c/6", "a4/6"]
    numbers = {one.name: one for one in found.quantities()}
    value = analysis.imbalance.nodes.realised.gini.value
    assert numbers["mainline_nodes_gini"].value == pytest.approx(value)
    tables = {one.name: one for one in found.tables()}
    assert len(tables["imbalance_runs"]) == 4
    assert tables["imbalance_runs"].column("nodes").tolist() == [24] * 4
    drawn = {one.name: one for one in found.figures()}
    assert list(drawn) == ["imbalance_envelope_mainline", "imbalance_ginis_mainline"]
    assert [c.name for c in drawn["imbalance_ginis_mainline"].data.columns][:3] == ["zone", "start_ns", "nodes_gini"]


def test_one_run_is_not_compared(analysis: Analysis) -> None:
    assert over([analysis]) is None
    two = over(runs(analysis, ["a4/6", "3c/6"]))
    assert two is not None
    assert {one.withheld for one in two.quantities()} == {"fewer than 3 zones"}


def test_envelopes_lie_around_all_curves() -> None:
    even, uneven = np.array([0.0, 1.0]), np.array([0.0, 0.5, 1.0])
    low, high = envelope([(even, even), (uneven, np.array([0.0, 0.1, 1.0]))])
    assert (low <= high).all()
    assert (low[-1], high[-1]) == (1.0, 1.0)
    assert np.isnan(envelope([])[0]).all()


ZONES = (("a", 0.1), ("a", 0.3), ("b", 0.4), ("c", 0.6))


def test_windows_of_a_zone_count_as_one() -> None:
    found = mean_over_zones([(zone, Estimate(value)) for zone, value in [*ZONES, ("d", math.nan)]])
    assert found.value == pytest.approx(0.4)
    assert found.high - found.value == pytest.approx(2 * (found.value - found.low))  # skewed to the right
    shared = mean_over_zones([(zone, Estimate(value, value - 0.3, value + 0.4)) for zone, value in ZONES])
    assert shared.low == pytest.approx(0.4 - math.hypot(found.value - found.low, 0.3))  # an error of all alike stays
    assert shared.high == pytest.approx(0.4 + math.hypot(found.high - found.value, 0.4))
    assert math.isnan(mean_over_zones([("a", Estimate(0.1)), ("a", Estimate(0.3)), ("b", Estimate(0.4))]).value)


def test_the_mean_over_zones_is_held() -> None:
    """Truth: the mean of all 64 zones, of which eight are watched, two of them twice."""

    def trial(seed: int) -> Iterator[tuple[str, Estimate, float]]:
        rng = np.random.default_rng(seed)
        zones = rng.gamma(20, 0.02, 64)
        watched = [*rng.choice(64, 8, replace=False).tolist(), 0, 0]
        watched[8:] = watched[:2]
        values = [(str(zone), Estimate(float(zones[zone] + rng.normal(0, 0.02)))) for zone in watched]
        yield "mean", mean_over_zones(values), float(zones.mean())

    assert hits(trial)["mean"] >= LEAST_HITS
