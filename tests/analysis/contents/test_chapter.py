"""What content IDs are known to be, by what was said of them and by words; names stay away unless asked for."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from analysis.contents.chapter import Contents, contents_of
from analysis.contents.said import SAID, write_said
from analysis.engine.database import Database
from analysis.engine.sorts import BUDDY, FILE, KEYWORD, make_sorts
from analysis.given import Given
from zone_store.contents import Content, What

from ..lookups import table

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

GIVEN = Given(least_people=1)


def lookups() -> pa.Table:
    """Return lookups of keys most of which are published; TOLD and HIDDEN are searched, NODE is a node looked up."""
    published = zip(KEYS, (4, 3, 2, 1, 1, 1, 0, 0), strict=True)
    rows: list[dict[str, object]] = [
        {"key": key, "what": "publish", "requester": one << 16, "requester_ip": one}
        for key, n in published
        for one in range(n)
    ]
    rows += [{"key": key, "what": "search"} for key in [TOLD] * 5 + [HIDDEN]]
    return table([*rows, {"key": NODE, "what": "node_lookup"}])


def found(tmp_path: Path, given: Given = GIVEN, said: list[Content] = SAYINGS) -> tuple[Contents, list]:
    """Return the chapter, and the rows of `told`."""
    with Database() as prepared:
        make_sorts(prepared, said, given.words, tmp_path / "said")
        sorts = prepared.rows("SELECT key, sort, told_by FROM sorts")
    columns = [list(column) for column in zip(*sorts, strict=True)] or [[], [], []]
    names = pa.schema([("key", pa.binary()), ("sort", pa.string()), ("told_by", pa.string())])
    with Database.of(lookups(), pa.table(columns, names)) as db:
        contents = contents_of(db, said, given)
        return contents, db.rows("SELECT key, sort, size, files, word, name FROM told ORDER BY key")


def test_what_was_said_tells_keywords_and_files_with_size(tmp_path: Path) -> None:
    contents, known = found(tmp_path)
    assert known == [
        (TOLD, KEYWORD, 0, 2, "", ""),
        (BARE, FILE, 0, 0, "", ""),
        (SOURCE, FILE, 300, 0, "", ""),
        (UNDER, FILE, 700, 0, "", ""),  # nobody said this of its own key, but it was published under a keyword
        (HELPER, BUDDY, 0, 0, "", ""),
    ]  # of BOTH somebody lies
    assert (contents.keys, contents.keywords, contents.files, contents.sized, contents.buddies) == (6, 1, 3, 2, 1)
    assert (contents.identified, contents.identified_share) == (3, 0.5)
    assert (contents.published, contents.searched) == ((5, 3), (2, 1))
    assert contents.types == {"Video": 1}
    assert contents.said[What.KEYWORD] == 3
    assert [(one.key, one.searches, one.publishes, one.requesters) for one in contents.top] == [
        (TOLD, 5, 4, 4),
        (BARE, 0, 3, 3),
        (SOURCE, 0, 2, 2),
        (UNDER, 0, 1, 1),
    ]
    assert contents.sizes == (340, 400, 500, 600, 660)


def test_words_read_keywords_and_tell_some_that_nobody_told(tmp_path: Path) -> None:
    words = {TOLD: "red", HIDDEN: "secret", SOURCE: "a file is no word"}
    contents, known = found(tmp_path, Given(words=words, least_people=1))
    assert {(key, sort, word) for key, sort, _, _, word, _ in known if word} == {
        (TOLD, KEYWORD, "red"),
        (HIDDEN, KEYWORD, "secret"),
        (SOURCE, FILE, "a file is no word"),
    }
    assert (contents.keywords, contents.by_word, contents.words, contents.identified) == (2, 1, 2, 3)


def test_names_are_left_out_unless_they_are_asked_for(tmp_path: Path) -> None:
    assert "cat" not in repr(found(tmp_path))
    _, known = found(tmp_path, Given(names=True, least_people=1))
    assert [(row[0], row[5]) for row in known if row[5]] == [(UNDER, "red cat.avi")]


def test_sizes_of_few_files_are_withheld(tmp_path: Path) -> None:
    assert found(tmp_path, Given(least_people=2))[0].sizes != ()
    assert found(tmp_path, Given(least_people=3))[0].sizes == ()


def test_a_run_in_which_nothing_was_said(tmp_path: Path) -> None:
    contents, known = found(tmp_path, said=[])
    assert (contents.keys, contents.identified, contents.said, contents.top, known) == (7, 0, {}, (), [])
    with Database.of(table([])) as db:
        db.register("sorts", pa.table({"key": pa.array([], pa.binary()), "sort": [], "told_by": []}))
        contents = contents_of(db, [], Given())
    assert math.isnan(contents.identified_share)
    share, place = contents.quantities()
    assert (share.name, place.name) == ("identified_share", "placed_share")
    assert (share.told, share.withheld) == (False, "no lookup said that it searches or publishes")
    assert {len(one) for one in contents.tables()} == {0}


def test_numbers_and_tables_tell_of_what_and_by_what(tmp_path: Path) -> None:
    contents, _ = found(tmp_path)
    quantities = {one.name: one for one in contents.quantities()}
    assert (quantities["keys"].value, quantities["identified_share"].value) == (6, 0.5)
    assert {one.function for one in quantities.values()} == {
        "analysis.contents.chapter.contents_of",
        "analysis.contents.origins.origins_of",
    }
    top, sizes, types, *_ = contents.tables()
    assert (top.people, top.column("key")) == ("requesters", [key.hex() for key in (TOLD, BARE, SOURCE, UNDER)])
    assert np.asarray(sizes.column("size")).tolist() == [340, 400, 500, 600, 660]
    assert types.column("type") == ["Video"]


def test_all_that_was_said_is_written_on_request_and_taken_away_without(tmp_path: Path) -> None:
    write_said(tmp_path, SAYINGS, names=True)
    rows = pq.read_table(tmp_path / SAID).to_pylist()
    assert len(rows) == len(SAYINGS)
    assert rows[0]["name"] == "red cat.avi"
    assert rows[0]["tags"] == '[["type", "Video"]]'
    assert rows[0]["source_ip"] == 9
    write_said(tmp_path, SAYINGS, names=False)
    assert not (tmp_path / SAID).exists()
