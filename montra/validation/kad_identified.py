"""The extended technique against the truth: of the content IDs that were published or searched, those made out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from montra.validation.kad_truth import KadTruth
from montra.validation.wilson import Proportion, wilson
from zone_store.contents import Content, What

_KEYWORDS = frozenset((What.KEYWORD, What.SEARCH_KEYWORD))
_FILES = frozenset((What.SOURCE, What.NOTES, What.SEARCH_SOURCE, What.SEARCH_NOTES))


@dataclass(frozen=True, slots=True)
class Identified:
    """Of the content IDs that lookups of the workload published or searched.

    all, published, searched: the share known as keyword, or as file with its size, and rightly so; wrong: content IDs
    said to be what they are not, or of another size; buddies: keys of searches for a helper, in no share.
    """

    all: Proportion
    published: Proportion
    searched: Proportion
    wrong: int
    buddies: int


def identified(truth: KadTruth, contents: Iterable[Content]) -> Identified:
    """Compare what a run was told with what went over the wire."""
    began_ns = truth.record.went_ns
    sizes = {bytes.fromhex(file.hash): file.size for file in truth.record.files}
    keywords = {said.key for said in truth.said if said.what in _KEYWORDS}
    buddies = {said.key for said in truth.said if said.what is What.BUDDY}
    told = _told(contents)
    asked: dict[str, set[bytes]] = {"publish": set(), "search": set()}
    for one in truth.lookups:
        if one.lookup.t_ns >= began_ns and one.lookup.key not in buddies:
            asked[one.lookup.method].add(one.lookup.key)
    right, wrong = set(), 0
    for key, (sort, size) in told.items():
        true = ("keyword", 0) if key in keywords else ("file", sizes.get(key, 0))
        if (sort, size) != true:
            wrong += sort == "keyword" or size > 0
        elif sort == "keyword" or size:
            right.add(key)

    def share(keys: set[bytes]) -> Proportion:
        return wilson(len(keys & right), len(keys))

    everything = asked["publish"] | asked["search"]
    return Identified(share(everything), share(asked["publish"]), share(asked["search"]), wrong, len(buddies))


def pooled(networks: Sequence[Identified]) -> Identified:
    """Return the same of several networks together."""

    def joined(parts: Iterable[Proportion]) -> Proportion:
        hits, trials = zip(*((part.hits, part.trials) for part in parts), strict=True)
        return wilson(sum(hits), sum(trials))

    return Identified(
        joined(one.all for one in networks),
        joined(one.published for one in networks),
        joined(one.searched for one in networks),
        sum(one.wrong for one in networks),
        sum(one.buddies for one in networks),
    )


def _told(contents: Iterable[Content]) -> dict[bytes, tuple[str, int]]:
    """Return what a run was told of each key: ("keyword", 0) or ("file", size), the size 0 if nobody told it."""
    told: dict[bytes, tuple[str, int]] = {}
    for content in contents:
        if content.what in _KEYWORDS:
            told[content.key] = ("keyword", 0)
        if content.file_id and (content.size or content.what in _FILES):
            known = told.get(content.file_id, ("file", 0))
            told[content.file_id] = ("file", content.size or known[1])
    return told
