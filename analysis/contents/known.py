"""What was published and searched: content IDs told apart as keywords and files by what requesters said of them.

Two things tell what a content ID is: what a requester said of it when a monitor answered it, and what was said of it
under another one (a file's ID and size are published under its keywords, too). A word list tells keywords besides.
Names and tags of files and addresses of who said it are personal data, and left out unless they are asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.traffic.rates import KeyCounts
from zone_store.contents import Content, What

TOP = 20
KEYWORD, FILE, BUDDY = "keyword", "file", "buddy"
BY_SAYING, BY_WORD = "contents", "word list"

_KEYWORD, _FILE, _BUDDY = 1, 2, 4
_SAID = {
    What.KEYWORD: _KEYWORD,
    What.SEARCH_KEYWORD: _KEYWORD,
    What.SOURCE: _FILE,
    What.NOTES: _FILE,
    What.SEARCH_SOURCE: _FILE,
    What.SEARCH_NOTES: _FILE,
    What.BUDDY: _BUDDY,
}
#: What eMule calls types of files; other values of that tag are free text of strangers.
TYPES = ("Audio", "Video", "Image", "Pro", "Doc", "Arc", "Iso", "EmuleCollection")


@dataclass(frozen=True, slots=True)
class KeyContent:
    """What is known of one key.

    sort: KEYWORD, FILE, BUDDY, or "" if it is unknown or said to be several; size: of a file in bytes, 0 if unknown;
    files: distinct files published under a keyword; word: of a keyword in the word list; name: of a file, as last said,
    if names are shown; told_by: BY_SAYING or BY_WORD, what tells the sort.
    """

    key: bytes
    sort: str
    size: int
    files: int
    searches: int
    publishes: int
    word: str
    name: str
    told_by: str


@dataclass(frozen=True, slots=True)
class Contents:
    """The content IDs that users' lookups published or searched.

    keys: how many there are, buddies left out; keywords, files, sized: of them, those known as such, and files with
    their size; by_word: keywords that the word list alone tells, words: all in it; buddies: keys by which firewalled
    nodes look for a helper; said: things said by requesters, by `What`; published, searched: (keys, keywords or files
    with size) of the keys that were published, or searched; sizes: quantiles 10, 25, 50, 75 and 90 % in bytes of sized
    files; types: files said to be of each type of `TYPES`; names: whether names are shown; top: most lookups first.
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
    types: dict[str, int]
    names: bool
    top: list[KeyContent]

    @property
    def identified(self) -> int:
        """Keys known as keyword by what was said, or as file with its size."""
        return self.keywords - self.by_word + self.sized

    @property
    def identified_share(self) -> float:
        """Of all keys; NaN for none."""
        return self.identified / self.keys if self.keys else float("nan")


def contents_of(
    counts: KeyCounts, said: Iterable[Content], words: Mapping[bytes, str], *, names: bool
) -> tuple[Contents, list[KeyContent]]:
    """Return the contents and what is known of each key, in order of keys, those unknown left out.

    said: gone through once; words: keyword of a key. Memory grows with the keys looked up and with the files published
    under the keywords among them.
    """
    asked = np.flatnonzero((counts.searches > 0) | (counts.publishes > 0))
    keys = [key.tobytes() for key in counts.keys[asked]]
    known = _Known(keys, names)
    for content in said:
        known.take(content)
    in_list = np.array([key in words for key in keys], np.bool_)
    by_word = in_list & (known.sort == 0)
    sort = np.where(by_word, np.uint8(_KEYWORD), known.sort)
    is_key, is_file, is_buddy = sort == _KEYWORD, sort == _FILE, sort == _BUDDY
    content = ~is_buddy
    identified = (is_key & ~by_word) | (is_file & (known.size > 0))
    searches, publishes = counts.searches[asked], counts.publishes[asked]
    sizes = known.size[is_file & (known.size > 0)]

    def of(which: NDArray[np.bool_]) -> tuple[int, int]:
        return int((content & which).sum()), int((identified & which).sum())

    def one(row: int) -> KeyContent:
        return KeyContent(
            keys[row],
            {_KEYWORD: KEYWORD, _FILE: FILE, _BUDDY: BUDDY}.get(int(sort[row]), ""),
            int(known.size[row]),
            len(known.files.get(row, ())),
            int(searches[row]),
            int(publishes[row]),
            words.get(keys[row], ""),
            known.names.get(row, ""),
            BY_WORD if by_word[row] else BY_SAYING,
        )

    order = np.argsort(-(searches + publishes), kind="stable")
    found = Contents(
        keys=int(content.sum()),
        keywords=int(is_key.sum()),
        files=int(is_file.sum()),
        sized=len(sizes),
        by_word=int(by_word.sum()),
        words=int((in_list & is_key).sum()),
        buddies=int(is_buddy.sum()),
        said={what: n for what, n in known.said.items() if n},
        published=of(publishes > 0),
        searched=of(searches > 0),
        sizes=tuple(int(n) for n in np.quantile(sizes, (0.1, 0.25, 0.5, 0.75, 0.9))) if len(sizes) else (),
        types={kind: known.types[kind] for kind in TYPES if kind in known.types},
        names=names,
        top=[one(row) for row in order[(is_key | is_file)[order]][:TOP].tolist()],
    )
    return found, [one(row) for row in np.flatnonzero(sort).tolist()]


class _Known:
    """What was said of each key. sort: bits of all that was said; size: the last one told; files, names: by row."""

    def __init__(self, keys: list[bytes], names: bool) -> None:
        self._rows = {key: row for row, key in enumerate(keys)}
        self._names = names
        self._typed: set[int] = set()
        self.sort = np.zeros(len(keys), np.uint8)
        self.size = np.zeros(len(keys), np.int64)
        self.files: dict[int, set[bytes]] = {}
        self.names: dict[int, str] = {}
        self.said: dict[str, int] = {what.value: 0 for what in What}
        self.types: dict[str, int] = {}

    def take(self, content: Content) -> None:
        """Take one thing said."""
        self.said[content.what] += 1
        row = self._rows.get(content.key)
        if row is not None:
            self.sort[row] |= _SAID[What(content.what)]
            if content.what == What.KEYWORD:
                self.files.setdefault(row, set()).add(content.file_id)
        file = self._rows.get(content.file_id)
        if file is None:
            return
        self.sort[file] |= _FILE
        self.size[file] = content.size or self.size[file]
        if self._names and content.name:
            self.names[file] = content.name
        kind = next((value for name, value in content.tags if name == "type"), "")
        if kind in TYPES and file not in self._typed:
            self._typed.add(file)
            self.types[kind] = self.types.get(kind, 0) + 1
