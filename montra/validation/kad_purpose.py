"""What Kad lookups were truly for: what their requesters sent to the nodes that they had found, not what they asked."""

from __future__ import annotations

from collections import defaultdict

from montra.validation.kad_truth import LIFETIME_S, KadTruth
from montra.validation.truth import BUDDY, PUBLISH, SEARCH
from zone_store.contents import What

_PURPOSE = {
    What.SEARCH_KEYWORD: SEARCH,
    What.SEARCH_SOURCE: SEARCH,
    What.SEARCH_NOTES: SEARCH,
    What.KEYWORD: PUBLISH,
    What.SOURCE: PUBLISH,
    What.NOTES: PUBLISH,
    What.BUDDY: BUDDY,
}


def judge_by_purpose(kad: KadTruth) -> int:
    """Set the method of each lookup to what the packets that followed it were; return how many lookups they told of.

    Only these are `told`, and judged: the count byte of a REQ, by which montra tells a search from a publish, would be
    right by itself. It stands, not told, where a requester searched and published one key at once, so that its packets
    do not tell which lookup they followed, and where none followed.
    """
    lookups = kad.truth.lookups
    lifetime_ns = round(LIFETIME_S[PUBLISH] / kad.record.settings.rate * 1e9)
    of_key: defaultdict[tuple[int, bytes], list[int]] = defaultdict(list)
    for number, lookup in enumerate(lookups):
        of_key[lookup.requester.index, lookup.key].append(number)
    purposes: defaultdict[int, set[str]] = defaultdict(set)
    for said in kad.said:
        numbers = of_key[said.requester, said.key]
        begun = [number for number in numbers if 0 <= said.t_ns - lookups[number].t_ns <= lifetime_ns]
        if said.what in _PURPOSE and len({lookups[number].method for number in begun}) == 1:
            purposes[begun[-1]].add(_PURPOSE[said.what])
    told = {number: next(iter(found)) for number, found in purposes.items() if len(found) == 1}
    for number, purpose in told.items():
        lookups[number].method, lookups[number].told = purpose, True
    return len(told)
