"""Keys of several windows in SQL."""

from __future__ import annotations

from pathlib import Path

import pytest

from analysis.engine.database import Database
from analysis.popularity.pairs import clumping_of, compared, gather, pair_of

from ..lookups import table


def database(*asked: tuple[bytes, int, int]) -> Database:
    """Return lookups: (key, requesters, lookups of each)."""
    rows = [
        {"key": key, "requester": who << 16, "time_ns": again}
        for key, requesters, each in asked
        for who in range(1, requesters + 1)
        for again in range(each)
    ]
    return Database.of(table(rows))


def test_pairs_of_a_few_windows_are_all_and_of_many_those_at_growing_distances() -> None:
    assert compared(3) == [(0, 1), (1, 2), (0, 2)]
    assert len(compared(8)) == 28
    many = compared(50)
    assert {second - first for first, second in many} == {1, 2, 4, 8, 16, 32}
    assert len(many) == 49 + 48 + 46 + 42 + 34 + 18


def test_clumping_is_what_a_lookup_has_beside_it() -> None:
    with database((b"a", 3, 1), (b"b", 1, 3)) as db:
        # 3 lookups alone, 3 of one requester: (3 * 1 + 9) / 6
        assert clumping_of(db, "lookups") == pytest.approx(2)
        assert clumping_of(db, "searches") == 1


def test_keys_of_two_windows_come_together(tmp_path: Path) -> None:
    files = [tmp_path / "one.parquet", tmp_path / "two.parquet", tmp_path / "three.parquet"]
    windows = (
        [(b"a", 20, 1), (b"b", 4, 3), (b"c", 9, 1), (b"e", 5, 1)],
        [(b"a", 10, 1), (b"b", 1, 1), (b"d", 11, 1), (b"e", 5, 1)],
        [(b"f", 50, 1)],
    )
    for file, asked in zip(files, windows, strict=True):
        with database(*asked) as db:
            db.write("SELECT * EXCLUDE (publishes_distinct) FROM keys ORDER BY key", file)
    with Database.over(files) as db:
        gather(db, "lookups")
        pair = pair_of(db, 0, 1, (46, 27), 1.5)
        assert pair.keys.tolist() == [b"a", b"b", b"d", b"e"]
        assert pair.first.tolist() == [20, 12, 0, 5]
        assert pair.second.tolist() == [10, 1, 11, 5]
        assert pair.requesters.tolist() == [20, 4, 11, 5]
        assert pair.first_sure == pytest.approx([20 / 1.5, 4, 0, 5 / 1.5])
        assert pair.second_sure == pytest.approx([10 / 1.5, 1 / 1.5, 11 / 1.5, 5 / 1.5])
        assert pair.share == pytest.approx(47 / 75)
        assert pair_of(db, 0, 2, (46, 50), 1.0).keys.tolist() == [b"f", b"a", b"b"]
        gather(db, "searches")
        assert not len(pair_of(db, 0, 1, (0, 0), 1.0).keys)
