"""What monitors do to eMule's and aMule's stores and searches, read off the packets of a private network.

Times are seconds of the clients' clock, which may run faster than ours. A network is played once without monitors, with
silent ones, and with ones that answer each content ID once; all that is compared comes of networks of the same seeds.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median

from montra.lab.kad.record import KadRecord
from montra.validation.kad_truth import LIFETIME_S, KadLookup, KadTruth
from montra.validation.student import Mean, mean_of
from montra.validation.truth import PUBLISH, SEARCH, TruthNode
from zone_store.contents import What

#: A network without monitors.
NONE = "none"
#: A store goes to about so many nodes (aMule `SearchDefs.h`, SEARCHSTOREKEYWORD_TOTAL, SEARCHSTOREFILE_TOTAL: 10).
CLOSEST = 10
_PUBLISHED = frozenset((What.KEYWORD, What.SOURCE, What.NOTES))


@dataclass(frozen=True, slots=True)
class Measures:
    """Means over the stores and searches of one network.

    stores, searches: how many there were. Of stores: store_s, from the first REQ to the last packet that publishes at
    one more real node; first_store_s, to the first; store_s_median; stored_at, real nodes published at; nearest, of the
    ten real nodes nearest to the key, those published at; acknowledged, real nodes that said they stored; store_asked,
    real nodes that got a REQ; to_monitors, monitors published at; failed, share of stores that published at no real
    node. Of searches: searched_at, real nodes that got the search; first_result_s, from the first REQ to the first
    result, and its median, of those that found anything; found, their share; results, entries that came; different, of
    them, different ones; search_asked, real nodes that got a REQ.
    """

    stores: int
    store_s: float
    store_s_median: float
    first_store_s: float
    stored_at: float
    nearest: float
    acknowledged: float
    store_asked: float
    to_monitors: float
    failed: float
    searches: int
    searched_at: float
    first_result_s: float
    first_result_s_median: float
    found: float
    results: float
    different: float
    search_asked: float


def measure(truth: KadTruth) -> Measures:
    """Measure one network: all stores and searches of the workload that had time to end.

    Those cut off by its end would look short and poor, and the slower stores are, the more of them.
    """
    record = truth.record
    rate = record.settings.rate
    begun = [one for one in truth.lookups if one.lookup.t_ns >= record.went_ns and _had_time(one, record)]
    stores = [one for one in begun if one.lookup.method == PUBLISH and What.BUDDY not in one.what]
    searches = [one for one in begun if one.lookup.method == SEARCH]
    kept = [one for one in stores if one.what & _PUBLISHED and one.lookup.stored]
    firsts = [rate * (min(one.told.values()) - one.lookup.t_ns) / 1e9 for one in kept]
    lasts = [rate * (one.done_ns - one.lookup.t_ns) / 1e9 for one in kept]
    results = [rate * (one.first_result_ns - one.lookup.t_ns) / 1e9 for one in searches if one.first_result_ns]
    nodes = list(truth.truth.nodes.values())
    return Measures(
        stores=len(stores),
        store_s=_mean(lasts),
        store_s_median=median(lasts) if lasts else math.nan,
        first_store_s=_mean(firsts),
        stored_at=_mean([len(one.lookup.stored) for one in kept]),
        nearest=_mean([len(one.lookup.stored & _nearest(nodes, one)) for one in kept]),
        acknowledged=_mean([len(one.acknowledged) for one in kept]),
        store_asked=_mean([len(one.lookup.received) for one in kept]),
        to_monitors=_share(len(_at_monitors(truth, stores)), len(stores)),
        failed=_share(len(stores) - len(kept), len(stores)),
        searches=len(searches),
        searched_at=_mean([len(one.told) for one in searches]),
        first_result_s=_mean(results),
        first_result_s_median=median(results) if results else math.nan,
        found=_share(len(results), len(searches)),
        results=_mean([one.results for one in searches]),
        different=_mean([len(one.different) for one in searches]),
        search_asked=_mean([len(one.lookup.received) for one in searches]),
    )


@dataclass(frozen=True, slots=True)
class Row:
    """One measure with one kind of monitors: its mean over networks, and its difference to the same networks without.

    more: NaN for the networks without monitors.
    """

    arm: str
    measure: str
    value: Mean
    more: Mean


def summarize(played: Mapping[str, Sequence[Measures]]) -> list[Row]:
    """Return a row for each measure and arm; the networks of all arms are in the order of their seeds."""
    bare = played.get(NONE, ())
    rows = []
    for name in Measures.__dataclass_fields__:
        for arm, networks in played.items():
            values = [float(getattr(one, name)) for one in networks]
            pairs = zip(values, (float(getattr(one, name)) for one in bare), strict=False) if arm != NONE else ()
            rows.append(Row(arm, name, mean_of(values), mean_of([own - without for own, without in pairs])))
    return rows


#: What each measure is called in the table, and its decimals.
SHOWN: Mapping[str, tuple[str, int]] = {
    "store_s": ("Store: first request to last publish (s)", 1),
    "first_store_s": ("Store: first request to first publish (s)", 1),
    "stored_at": ("Store: real nodes published at", 2),
    "nearest": ("Store: of them, among the ten nearest", 2),
    "acknowledged": ("Store: real nodes that say they stored", 2),
    "store_asked": ("Store: real nodes asked", 1),
    "to_monitors": ("Store: monitors published at", 2),
    "failed": ("Store: share that published nowhere", 3),
    "first_result_s": ("Search: first request to first result (s)", 2),
    "found": ("Search: share that found anything", 3),
    "results": ("Search: entries that came", 1),
    "different": ("Search: of them, different files or sources", 2),
    "searched_at": ("Search: real nodes searched at", 2),
    "search_asked": ("Search: real nodes asked", 1),
}


def table(rows: Sequence[Row]) -> list[tuple[str, ...]]:
    """Return the rows of `SHOWN` as strings, a header first."""
    found = {(row.measure, row.arm): row for row in rows}
    arms = list(dict.fromkeys(row.arm for row in rows))
    header = ("Mean over networks (95 % interval)", "Monitors", "Value", "More than without")
    body = [
        (title if arm == arms[0] else "", arm, _shown(row.value, digits), _shown(row.more, digits, sign="+"))
        for name, (title, digits) in SHOWN.items()
        for arm in arms
        if (row := found[name, arm])
    ]
    return [header, *body]


def _nearest(nodes: Sequence[TruthNode], one: KadLookup) -> set[int]:
    """Return the ten real nodes nearest to the key of a lookup, its requester left out."""
    key, own = one.lookup.key_number, one.lookup.requester.index
    others = sorted((node for node in nodes if node.index != own), key=lambda node: node.number ^ key)
    return {node.index for node in others[:CLOSEST]}


def _had_time(one: KadLookup, record: KadRecord) -> bool:
    lasts_s = LIFETIME_S[PUBLISH if one.lookup.announce else SEARCH] / record.settings.rate
    return one.lookup.t_ns + lasts_s * 1e9 <= record.end_ns


def _at_monitors(truth: KadTruth, stores: Sequence[KadLookup]) -> set[tuple[int, bytes, int]]:
    """Return who published a key of these stores at an address that is no real node's, since the workload began."""
    real = {node.ip for node in truth.truth.nodes.values()}
    published = {(one.lookup.requester.index, one.lookup.key) for one in stores}
    return {
        (said.requester, said.key, said.ip)
        for said in truth.said
        if said.t_ns >= truth.record.went_ns
        and said.ip not in real
        and said.what in _PUBLISHED
        and (said.requester, said.key) in published
    }


def _mean(values: Sequence[float]) -> float:
    return fmean(values) if values else math.nan


def _share(part: int, whole: int) -> float:
    return part / whole if whole else math.nan


def _shown(value: Mean, digits: int, sign: str = "") -> str:
    if math.isnan(value.mean):
        return ""
    text = f"{value.mean:{sign}.{digits}f}"
    return text if math.isnan(value.low) else f"{text} ({value.low:.{digits}f} to {value.high:.{digits}f})"
