"""Picking rows out of large tables."""

from dataclasses import replace

import numpy as np

from montra.validation.attributed import Found, Match, index_lookups, match
from montra.validation.truth import TruthLookup, TruthNode
from zone_store.captures import Kind, Lookups, Maintenance


def table(keys: list[bytes], kinds: list[Kind], marks: list[Maintenance]) -> Lookups:
    n = len(keys)
    rows = np.arange(n)
    return Lookups(
        time_ns=rows * 10,
        last_ns=rows * 10 + 5,
        source_ip=np.full(n, 0x7F0A0101, np.uint32),
        source_port=np.full(n, 6881, np.uint16),
        requester_id=np.zeros((n, 20), np.uint8),
        key=np.array([list(key) for key in keys], np.uint8),
        kind=np.array(kinds, np.uint8),
        flags=np.zeros(n, np.uint16),
        version=np.zeros(n, np.uint32),
        copies=(rows + 1).astype(np.uint16),
        packets=np.ones(n, np.uint32),
        destination=(rows + 100).astype(np.uint32),
        closest=np.zeros(n, np.uint32),
        rank=np.zeros(n, np.uint16),
        margin=np.zeros(n, np.float32),
        maintenance=np.array(marks, np.uint8),
        inferred=(rows + 200).astype(np.uint32),
        confidence=np.full(n, 0.5, np.float32),
    )


ASKER = 0x7F0A0101, 6881


def test_only_lookups_of_the_keys_asked_for() -> None:
    # a key of zeros at its end must not match one that merely begins alike
    one, two, other = b"\xa5" + b"\0" * 19, b"\xa6" * 20, b"\xa5" + b"\0" * 18 + b"\x01"
    first = table(
        [one, two, other, one, one],
        [Kind.LOOKUP, Kind.SEARCH, Kind.LOOKUP, Kind.ANNOUNCE, Kind.NODE_LOOKUP],
        [Maintenance.NONE, Maintenance.OWN_ID, Maintenance.NONE, Maintenance.NONE, Maintenance.NONE],
    )
    second = table([one], [Kind.LOOKUP], [Maintenance.NONE])
    asked = [command(0, key) for key in (one, two, one)]
    found = index_lookups([first, second], asked, 0, 100)
    assert found.by_asker == {
        (*ASKER, one): [
            Found(0, 5, 1, 100, False, 200, 0.5),
            Found(40, 45, 5, 104, False, 204, 0.5, Kind.NODE_LOOKUP),
            Found(0, 5, 1, 100, False, 200, 0.5),
        ],
        (*ASKER, two): [Found(10, 15, 2, 101, True, 201, 0.5, Kind.SEARCH)],
    }
    assert found.counted == 3
    others = [replace(one, requester=TruthNode(1, b"\x01" * 20, ASKER[0] + 1, ASKER[1], 0)) for one in asked]
    assert index_lookups([first], others, 0, 100).by_asker == {}
    nothing = index_lookups([first], [], 5, 20)
    assert (nothing.by_asker, nothing.counted) == ({}, 0)
    assert index_lookups([first], [], 20, 21).counted == 1


def command(t_ns: int, key: bytes = b"\xa5" * 20, method: str = "get_peers") -> TruthLookup:
    return TruthLookup(t_ns, TruthNode(1, b"\x01" * 20, *ASKER, 0), key, False, False, method=method)


def found_at(*times: int, kind: Kind = Kind.LOOKUP) -> list[Found]:
    return [Found(t_ns, t_ns, 1, 100, False, 100, 1.0, kind) for t_ns in times]


def test_commands_and_lookups_match_one_to_one() -> None:
    key = b"\xa5" * 20
    rows = found_at(101, 130)
    # one row serves one command only, the nearer one
    assert match([command(60), command(100)], {(*ASKER, key): rows[:1]}, 5, 60) == {1: Match(rows[0])}
    # the nearest pair first, the other row is left for the other command
    assert match([command(90), command(100)], {(*ASKER, key): rows}, 5, 60) == {
        1: Match(rows[0]),
        0: Match(rows[1]),
    }
    # what is left over within a command's time is another part of it
    assert match([command(100)], {(*ASKER, key): rows}, 5, 60) == {0: Match(rows[0], (rows[1],))}
    # too early, too late, another key
    assert match([command(107)], {(*ASKER, key): rows}, 5, 20) == {}
    assert match([command(100, b"\xa6" * 20)], {(*ASKER, key): rows}, 5, 60) == {}


def test_find_node_rows_are_for_those_who_search_with_it() -> None:
    key = b"\xa5" * 20
    by_find_node, by_get_peers = *found_at(101, kind=Kind.NODE_LOOKUP), *found_at(103)
    rows = {(*ASKER, key): [by_find_node, by_get_peers]}
    assert match([command(100)], rows, 5, 60) == {0: Match(by_get_peers)}
    # rTorrent's get_peers goes to those that answered its find_node
    assert match([command(100, method="find_node")], rows, 5, 60) == {0: Match(by_find_node, (by_get_peers,))}


def test_searches_and_publishes_match_their_like_first() -> None:
    key = b"\xa5" * 20
    search, publish, node_lookup = (*found_at(130, kind=Kind.SEARCH), *found_at(101, kind=Kind.PUBLISH),
                                    *found_at(100, kind=Kind.NODE_LOOKUP))  # fmt: skip
    rows = {(*ASKER, key): [node_lookup, publish, search]}
    searched, published = command(100, method="search"), command(129, method="publish")
    # by time alone they would be taken for each other
    assert match([searched, published], rows, 30, 60) == {0: Match(search), 1: Match(publish)}
    assert [search.differs_from(one) for one in (searched, published, command(1))] == [False, True, False]
    # one that is told wrongly is captured all the same, a node lookup is not one
    assert match([searched], {(*ASKER, key): [node_lookup, publish]}, 30, 60) == {0: Match(publish)}


def test_keys_of_any_length() -> None:
    key = b"\xa4" * 16
    rows = table([key, b"\xa5" * 16], [Kind.PUBLISH, Kind.SEARCH], [Maintenance.NONE, Maintenance.NODE_LOOKUP])
    found = index_lookups([rows], [command(0, key)], 0, 100)
    assert found.by_asker == {(*ASKER, key): [Found(0, 5, 1, 100, False, 200, 0.5, Kind.PUBLISH)]}
    assert found.counted == 1
