"""What keys are, by what was said of them and by words."""

from __future__ import annotations

from pathlib import Path

from analysis.engine.database import Database
from analysis.engine.sorts import make_sorts
from zone_store.contents import Content, What

WORD, FILE, BOTH, LISTED, HELPER, OTHER = (bytes([n]) * 16 for n in range(1, 7))


def said(what: What, key: bytes, file_id: bytes = b"") -> Content:
    return Content(0, 1, 0x0A000001, 4672, what.value, key, file_id)


def test_sayings_come_before_words_and_contradictions_tell_nothing(tmp_path: Path) -> None:
    things = [
        said(What.KEYWORD, WORD, FILE),
        said(What.SEARCH_KEYWORD, WORD),
        said(What.SEARCH_SOURCE, BOTH),
        said(What.SEARCH_KEYWORD, BOTH),
        said(What.BUDDY, HELPER),
    ]
    with Database() as db:
        make_sorts(db, things, {LISTED: "dog", WORD: "cat", BOTH: "cow"}, tmp_path / "said.parquet")
        assert db.rows("SELECT key, sort, told_by FROM sorts ORDER BY key") == [
            (WORD, "keyword", "contents"),
            (FILE, "file", "contents"),
            (LISTED, "keyword", "word list"),
            (HELPER, "buddy", "contents"),
        ]
    assert list(tmp_path.iterdir()) == []


def test_nothing_said_and_no_words(tmp_path: Path) -> None:
    with Database() as db:
        make_sorts(db, [], {}, tmp_path / "said.parquet")
        assert db.rows("SELECT * FROM sorts") == []
