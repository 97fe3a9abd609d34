"""What content IDs are known to be, by what was said of them and by words; names stay away unless asked for."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from analysis.contents.known import BUDDY, FILE, KEYWORD, Contents, KeyContent, contents_of
from analysis.contents.said import SAID, write_said
from analysis.traffic.rates import KeyCounts
from zone_store.contents import Content, What

KEYS = [bytes([0xA4, n]) * 8 for n in range(8)]
TOLD, BARE, SOURCE, UNDER, HELPER, BOTH, HIDDEN, NODE = KEYS
ELSEWHERE = bytes(16)

SAYINGS = [
    Content(1, 1, 9, 9, What.KEYWORD, TOLD, UNDER, 700, "red cat.avi", (("type", "Video"),)),
    Content(2, 1, 9, 9, What.KEYWORD, TOLD, ELSEWHERE, 5, "red dog.mp3", (("type", "Audio"),)),
    Content(3, 1, 9, 9, What.KEYWORD, TOLD, UNDER, 700, "red cat.avi", (("type", "Video"),)),
    Content(4, 1, 8, 9, What.SOURCE, SOURCE, SOURCE, 300),
    Content(5, 1, 8, 9, What.SEARCH_SOURCE, BARE, BARE, 0),
    Content(6, 1, 8, 9, What.BUDDY, HELPER),
    Content(7, 1, 8, 9, What.SEARCH_KEYWORD, BOTH),
    Content(8, 1, 8, 9, What.SOURCE, BOTH, BOTH, 10),
    Content(9, 1, 8, 9, What.SOURCE, ELSEWHERE, ELSEWHERE, 10),
]


def counts() -> KeyCounts:
    """Return keys most of which are published; TOLD and HIDDEN are searched, NODE is in node lookups alone."""
    zeros = np.zeros(len(KEYS), np.int64)
    publishes = np.array([4, 3, 2, 1, 1, 1, 0, 0])
    searches = np.array([5, 0, 0, 0, 0, 0, 1, 0])
    rows = np.frombuffer(b"".join(KEYS), np.uint8).reshape(-1, 16)
    return KeyCounts(rows, publishes + searches, zeros + 1, zeros, searches, publishes, zeros)


def found(words: dict[bytes, str] | None = None, *, names: bool = False) -> tuple[Contents, list[KeyContent]]:
    return contents_of(counts(), SAYINGS, words or {}, names=names)


def test_what_was_said_tells_keywords_and_files_with_size() -> None:
    contents, known = found()
    assert {one.key: (one.sort, one.size, one.files) for one in known} == {
        TOLD: (KEYWORD, 0, 2),
        BARE: (FILE, 0, 0),
        SOURCE: (FILE, 300, 0),
        UNDER: (FILE, 700, 0),  # nobody said this of its own key, but it was published under a keyword
        HELPER: (BUDDY, 0, 0),
        BOTH: ("", 10, 0),  # somebody lies
    }
    assert (contents.keys, contents.keywords, contents.files, contents.sized, contents.buddies) == (6, 1, 3, 2, 1)
    assert (contents.identified, contents.identified_share) == (3, 0.5)
    assert (contents.published, contents.searched) == ((5, 3), (2, 1))
    assert contents.types == {"Video": 1}
    assert contents.said[What.KEYWORD] == 3
    assert [one.key for one in contents.top] == [TOLD, BARE, SOURCE, UNDER]


def test_words_read_keywords_and_tell_some_that_nobody_told() -> None:
    contents, known = found({TOLD: "red", HIDDEN: "secret", SOURCE: "a file is no word"})
    assert {one.key: (one.sort, one.word) for one in known if one.word} == {
        TOLD: (KEYWORD, "red"),
        HIDDEN: (KEYWORD, "secret"),
        SOURCE: (FILE, "a file is no word"),
    }
    assert (contents.keywords, contents.by_word, contents.words, contents.identified) == (2, 1, 2, 3)


def test_names_are_left_out_unless_they_are_asked_for() -> None:
    assert "cat" not in repr(found())
    _, known = found(names=True)
    assert {one.key: one.name for one in known if one.name} == {UNDER: "red cat.avi"}


def test_a_run_in_which_nothing_was_said() -> None:
    contents, known = contents_of(counts(), [], {}, names=False)
    assert (contents.keys, contents.identified, contents.said, contents.top, known) == (7, 0, {}, [], [])
    nothing = np.zeros(0, np.int64)
    empty = KeyCounts(np.zeros((0, 16), np.uint8), *[nothing] * 6)
    assert math.isnan(contents_of(empty, [], {}, names=False)[0].identified_share)


def test_all_that_was_said_is_written_on_request_and_taken_away_without(tmp_path: Path) -> None:
    write_said(tmp_path, SAYINGS, names=True)
    rows = pq.read_table(tmp_path / SAID).to_pylist()
    assert len(rows) == len(SAYINGS)
    assert rows[0]["name"] == "red cat.avi"
    assert rows[0]["tags"] == '[["type", "Video"]]'
    assert rows[0]["source_ip"] == 9
    write_said(tmp_path, SAYINGS, names=False)
    assert not (tmp_path / SAID).exists()
