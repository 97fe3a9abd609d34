"""The chapter of one run, and over windows: numbers, tables and figures."""

from __future__ import annotations

import math
import pickle
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from analysis.engine.database import Database
from analysis.given import Given
from analysis.popularity.chapter import Popularity, examine
from analysis.popularity.families import FAMILIES
from analysis.popularity.figures import figures
from analysis.popularity.over import over

from ..lookups import table
from ..samples import MINUTE, Contents, run_of


def lookups(keys: int, seed: int, changed: dict[int, float], what: str = "lookup") -> Any:
    """Return lookups for keys asked for by a power law, each of a requester of its own."""
    rng = np.random.default_rng(seed)
    expected = 4 * (np.random.default_rng(0).pareto(1.2, keys) + 1)
    for key, factor in changed.items():
        expected[key] *= factor
    asked = np.repeat(np.arange(keys), rng.poisson(expected))
    return table(
        [
            {"key": int(key).to_bytes(20, "big"), "requester": who << 16, "what": what}
            for who, key in enumerate(asked, start=1)
        ]
    )


def chapter(rows: Any, given: Given, out: Path | None = None) -> Popularity:
    with Database.of(rows) as db:
        if out is not None:
            out.mkdir()
            db.write("SELECT * EXCLUDE (publishes_distinct) FROM keys ORDER BY key", out / "keys.parquet")
        return examine(SimpleNamespace(db=db, run=run_of(Contents()), given=given, capture=None))  # type: ignore[arg-type]


def test_numbers_tables_and_figures_of_a_run() -> None:
    found = chapter(lookups(300, 1, {}), Given())
    again = pickle.loads(pickle.dumps(found))
    numbers = {one.name: one for one in again.quantities()}
    assert len(numbers) == 2 * 13
    assert numbers["lookups_rate_exponent"].low < 2.2 < numbers["lookups_rate_exponent"].high
    assert numbers["lookups_keys"].value == 300 - int(numbers["lookups_keys"].value != 300)
    exponent = numbers["lookups_exponent"]
    assert exponent.bounded
    assert exponent.low < 2.2 < exponent.high
    ranked = numbers["lookups_rank_exponent"]
    assert ranked.low < ranked.value < ranked.high
    assert ranked.value == pytest.approx(1 / (exponent.value - 1))
    tables = {one.name: one for one in again.tables()}
    assert len(tables["popularity_tests"]) == 2 * 2 * 6
    assert len(tables["popularity_fits"]) == 2 * 2 * 7
    assert set(tables["popularity_fits"].column("family")) == set(FAMILIES)
    assert np.isnan(np.asarray(tables["popularity_fits"].column("value_low"))[8:14]).all()
    drawn = figures(SimpleNamespace(popularity=again))  # type: ignore[arg-type]
    assert [one.name for one in drawn] == ["rank_lookups", "rank_requesters"]
    ranks = np.asarray(drawn[0].data.column("rank"))
    assert ranks[-1] == 1
    assert ranks[0] == numbers["lookups_keys"].value
    assert "rank of the key" in drawn[0].document
    assert drawn[0].document == figures(SimpleNamespace(popularity=found))[0].document  # type: ignore[arg-type]


def test_too_few_keys_are_withheld() -> None:
    found = chapter(lookups(20, 1, {}), Given())
    exponent = next(one for one in found.quantities() if one.name == "lookups_exponent")
    assert (math.isnan(exponent.value), exponent.withheld) == (True, "fewer than 50 keys")
    assert [len(one) for one in found.tables()] == [20, 0, 0]
    nothing = chapter(table([]), Given(republish_s={"file": 1}))
    assert [one.value for one in nothing.quantities() if one.name.endswith("_keys")] == [0, 0, 0]
    assert figures(SimpleNamespace(popularity=nothing)) == []  # type: ignore[arg-type]


def window(number: int, folder: Path, changed: dict[int, float], zone: str = "a4/8") -> Any:
    run = run_of(Contents())
    start = run.start_ns + number * 60 * MINUTE
    out = folder / str(number)
    found = chapter(lookups(200, number, changed), Given(), out)
    return SimpleNamespace(
        popularity=found,
        out=out,
        run=SimpleNamespace(
            name=str(number),
            start_ns=start,
            end_ns=start + 10 * MINUTE,
            running_seconds=600.0,
            manifest=SimpleNamespace(overlay="mainline", zone=zone),
        ),
    )


def test_windows_of_a_zone_are_compared(tmp_path: Path) -> None:
    windows = [window(2, tmp_path, {7: 12.0}), window(1, tmp_path, {}), window(3, tmp_path, {}, "00/8")]
    assert over(windows[:1]) is None
    apart = over(windows[1:])
    assert apart is not None
    assert (apart.compared, apart.quantities()) == ([], [])
    assert [len(one) for one in apart.tables()] == [4, 0, 0, 0]
    found = over(windows)
    assert found is not None
    (pair,) = found.compared
    assert (pair.first.start_ns < pair.second.start_ns, pair.hours_apart, pair.zone) == (True, 1.0, "a4/8")
    runs, stability, changes, changed = found.tables()
    assert runs.column("counted") == ["lookups"] * 3 + ["requesters"] * 3
    assert runs.column("zone") == ["00/8", "a4/8", "a4/8"] * 2
    exponents = [np.asarray(runs.column(f"exponent{end}")) for end in ("_low", "", "_high")]
    assert ((exponents[0] < exponents[1]) & (exponents[1] < exponents[2])).all()
    low = np.asarray(stability.column("overlap_unchanged_low"))[0]
    assert low <= np.asarray(stability.column("overlap"))[0]
    assert np.asarray(changes.column("rising")).tolist() == [1]
    assert changed.column("key") == [(7).to_bytes(20, "big").hex()]
    assert np.asarray(changed.column("ratio_low"))[0] < 12 < np.asarray(changed.column("ratio_high"))[0]
    assert [one.name for one in found.quantities()] == [
        "overlap_mainline_a4_8_lookups",
        "overlap_unchanged_mainline_a4_8_lookups",
    ]
    assert [one.name for one in found.figures()] == [
        "ranks_mainline_lookups",
        "ranks_mainline_requesters",
        "stability_mainline_lookups",
        "changes_mainline_lookups",
    ]
    stable = found.figures()[2]
    assert "zone a4/8" in stable.document
    assert "hours from window to window" not in stable.document
    assert "1 hours apart" in stable.caption
    assert found.shown(runs, ["overlay", "zone", "counted"]) == ["zone", "counted"]
    assert found.shown(changes) == [column.name for column in changes.columns]
    ranks = found.figures()[0].data
    assert np.asarray(ranks.column("rank"))[0] == 1
    assert 0 < np.asarray(ranks.column("share"))[0] < 1
    assert not list(tmp_path.glob("*/.engine-*"))
