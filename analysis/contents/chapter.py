"""The chapter of contents: which keys are known as keyword or file, what files are said to be, and who asks from where.

A content ID is told by what requesters said of it when a monitor answered them, or by a word list; see `engine.sorts`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.contents.origins import Origins, origins_of, unknown
from analysis.contents.said import write_said
from analysis.contents.told import COLUMNS, CONTENTS, TYPES, make_told, write_told
from analysis.engine.database import Database
from analysis.engine.sorts import BUDDY, BY_WORD, FILE, KEYWORD
from analysis.engine.source import Source
from analysis.given import Given
from analysis.quantity import Quantity, made_by
from analysis.table import Column, Table
from zone_store.contents import Content

TOP = 20
QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9)
_INPUTS = ("lookups", "contents")


@dataclass(frozen=True, slots=True)
class KeyContent:
    """What is known of one key.

    sort: KEYWORD or FILE; size: of a file in bytes, 0 if unknown; files: distinct files published under a keyword;
    requesters: distinct (address, port); word: of a keyword in the word list; name: of a file, as last said, if names
    are shown; told_by: what tells the sort, as in `engine.sorts`.
    """

    key: bytes
    sort: str
    size: int
    files: int
    searches: int
    publishes: int
    requesters: int
    word: str
    name: str
    told_by: str


@dataclass(frozen=True, slots=True)
class Contents:
    """The content IDs that users' lookups published or searched.

    keys: how many there are, buddies left out; keywords, files, sized: of them, those known as such, and files with
    their size; by_word: keywords that the word list alone tells, words: all in it; buddies: keys by which firewalled
    nodes look for a helper; said: things said by requesters, by `What`; published, searched: (keys, keywords or files
    with size) of the keys that were published, or searched; sizes: `QUANTILES` in bytes of sized files; size_powers:
    (n, files of 2**n to below 2**(n+1) bytes), rising, both empty for too few files; types: files said to be of each
    type of `TYPES`; names: whether names are shown; top: most lookups first; origins: where requesters are.
    """

    keys: int
    keywords: int
    files: int
    sized: int
    by_word: int
    words: int
    buddies: int
    said: dict[str, int]
    published: tuple[int, int]
    searched: tuple[int, int]
    sizes: tuple[int, ...]
    size_powers: tuple[tuple[int, int], ...]
    types: dict[str, int]
    names: bool
    top: tuple[KeyContent, ...]
    origins: Origins

    @property
    def identified(self) -> int:
        """Keys known as keyword by what was said, or as file with its size."""
        return self.keywords - self.by_word + self.sized

    @property
    def identified_share(self) -> float:
        """Of all keys; NaN for none."""
        return self.identified / self.keys if self.keys else math.nan

    def quantities(self) -> list[Quantity]:
        """Return the numbers: counts of what was captured, so without bounds; only why, where no lookup tells."""
        return [*self._counts(), self._identified(), *self.origins.quantities()]

    def _counts(self) -> list[Quantity]:
        if not (self.keys or self.buddies):
            return []
        counts = {
            "keys": (self.keys, "keys that were searched or published, helpers' keys left out"),
            "identified": (self.identified, "of the keys, those told as keyword, or as file with its size"),
            "keywords": (self.keywords, "of the keys, those told as keywords"),
            "keywords_by_word_list": (self.by_word, "keywords that the word list alone tells"),
            "words": (self.words, "keywords that the word list reads"),
            "files": (self.files, "of the keys, those told as files"),
            "files_with_size": (self.sized, "files whose size was said"),
            "helper_keys": (self.buddies, "keys by which firewalled nodes look for a helper"),
            "published": (self.published[0], "keys that were published"),
            "published_identified": (self.published[1], "of the published keys, those identified"),
            "searched": (self.searched[0], "keys that were searched"),
            "searched_identified": (self.searched[1], "of the searched keys, those identified"),
        }
        function = made_by(contents_of)
        return [Quantity(name, n, "keys", text, function, _INPUTS) for name, (n, text) in counts.items()]

    def _identified(self) -> Quantity:
        return Quantity(
            "identified_share",
            self.identified_share,
            "share",
            "of the keys searched or published, those told as keyword, or as file with its size",
            made_by(contents_of),
            _INPUTS,
            withheld="" if self.keys else "no lookup said that it searches or publishes",
        )

    def tables(self) -> list[Table]:
        """Return the known keys with most lookups, sizes and types of files, and places of requesters."""
        return [self._top(), self._sizes(), self._types(), *self.origins.tables()]

    def _top(self) -> Table:
        values: dict[str, list[str] | NDArray[Any]] = {"key": [one.key.hex() for one in self.top]}
        for name in ("sort", "told_by", "word", "name"):
            values[name] = [getattr(one, name) for one in self.top]
        for name in ("files", "searches", "publishes", "requesters"):
            values[name] = np.array([getattr(one, name) for one in self.top], np.int64)
        values["size"] = np.array([one.size or math.nan for one in self.top], np.float64)
        return Table(
            "top_contents",
            "What the keys with most lookups are",
            "One key that is told as keyword or file, most lookups first.",
            made_by(contents_of),
            _INPUTS,
            tuple(Column(name, values[name], field.unit, field.meaning) for name, field in COLUMNS.items()),
            people="requesters",
        )

    def _sizes(self) -> Table:
        return Table(
            "content_sizes",
            "Sizes of files",
            "One quantile of the sizes of the files whose size was said, each file once.",
            made_by(contents_of),
            _INPUTS,
            (
                Column("share", np.array(QUANTILES if self.sizes else (), np.float64), "share", "of files not larger"),
                Column("size", np.array(self.sizes, np.int64), "bytes", "the quantile"),
            ),
        )

    def _types(self) -> Table:
        return Table(
            "content_types",
            "Types of files",
            "One type of files in eMule's words, as first said of each file; files of no or another type left out.",
            made_by(contents_of),
            _INPUTS,
            (
                Column("type", list(self.types), "", "eMule's name of the type"),
                Column("files", np.array(list(self.types.values()), np.int64), "files", "said to be of it"),
            ),
        )


def examine(source: Source) -> Contents:
    """Return the chapter of one run, and write all that is known of keys into its folder of tables; raises RunError.

    contents.parquet has one row for each key that is told and has at least `Given.least_people` requesters; what
    requesters said in full goes into said.parquet, only if names are shown.
    """
    db, given = source.db, source.given
    found = contents_of(db, source.said(), given)
    write_told(db, source.out / CONTENTS, given.least_people)
    write_said(source.out, source.said(), names=given.names)
    return found


def contents_of(db: Database, said: Iterable[Content], given: Given) -> Contents:
    """Return the chapter, and leave the table `told` in the database (see `make_told`), which has `keys` and `sorts`.

    said: gone through once. Sizes are withheld of fewer than `Given.least_people` files.
    """
    counts = make_told(db, said, given.words, names=given.names)
    asked = "searches + publishes > 0"
    identified = f"((told.sort = '{KEYWORD}' AND told_by <> '{BY_WORD}') OR (told.sort = '{FILE}' AND size > 0))"
    wanted = {
        "keys": "true",
        "keywords": f"told.sort = '{KEYWORD}'",
        "files": f"told.sort = '{FILE}'",
        "sized": f"told.sort = '{FILE}' AND size > 0",
        "by_word": f"told.sort = '{KEYWORD}' AND told_by = '{BY_WORD}'",
        "words": f"told.sort = '{KEYWORD}' AND word <> ''",
        "published": "keys.publishes > 0",
        "published_identified": f"keys.publishes > 0 AND {identified}",
        "searched": "keys.searches > 0",
        "searched_identified": f"keys.searches > 0 AND {identified}",
    }
    counted = ", ".join(f"count(*) FILTER ({where}) AS {name}" for name, where in wanted.items())
    found = db.arrays(
        f"SELECT {counted} FROM keys LEFT JOIN told USING (key) "
        f"WHERE keys.searches + keys.publishes > 0 AND keys.sort <> '{BUDDY}'"
    )
    n = {name: int(column[0]) for name, column in found.items()}
    types = dict(
        db.rows(f"SELECT type, count(*) FROM told WHERE sort = '{FILE}' AND {asked} AND type <> '' GROUP BY type")
    )
    enough = n["sized"] >= given.least_people
    return Contents(
        keys=n["keys"],
        keywords=n["keywords"],
        files=n["files"],
        sized=n["sized"],
        by_word=n["by_word"],
        words=n["words"],
        buddies=db.one(f"SELECT count(*) FROM told WHERE sort = '{BUDDY}' AND {asked}"),
        said=counts,
        published=(n["published"], n["published_identified"]),
        searched=(n["searched"], n["searched_identified"]),
        sizes=_sizes(db, asked) if enough else (),
        size_powers=_powers(db, asked) if enough else (),
        types={kind: types[kind] for kind in TYPES if kind in types},
        names=given.names,
        top=tuple(KeyContent(*row) for row in db.rows(_TOP.format(asked=asked))),
        origins=origins_of(db) if given.places else unknown(),
    )


_TOP = f"""
SELECT key, sort, size, files, searches, publishes, requesters, word, name, told_by FROM told
WHERE {{asked}} AND sort <> '{BUDDY}' ORDER BY searches + publishes DESC, key LIMIT {TOP}"""


def _sizes(db: Database, asked: str) -> tuple[int, ...]:
    shares = ", ".join(map(str, QUANTILES))
    found = db.one(f"SELECT quantile_cont(size, [{shares}]) FROM told WHERE sort = '{FILE}' AND {asked} AND size > 0")
    return tuple(int(size) for size in found or ())


def _powers(db: Database, asked: str) -> tuple[tuple[int, int], ...]:
    found = db.rows(
        "SELECT length(bin(size)) - 1 AS power, count(*) FROM told "
        f"WHERE sort = '{FILE}' AND {asked} AND size > 0 GROUP BY power ORDER BY power"
    )
    return tuple((int(power), int(files)) for power, files in found)
