"""Picking rows out of large tables."""

import numpy as np

from montra.validation.attributed import Found, index_lookups
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
    )


def test_only_lookups_of_the_keys_asked_for() -> None:
    # a key of zeros at its end must not match one that merely begins alike
    one, two, other = b"\xa5" + b"\0" * 19, b"\xa6" * 20, b"\xa5" + b"\0" * 18 + b"\x01"
    first = table(
        [one, two, other, one],
        [Kind.LOOKUP, Kind.NODE_LOOKUP, Kind.LOOKUP, Kind.ANNOUNCE],
        [Maintenance.NONE, Maintenance.OWN_ID, Maintenance.NONE, Maintenance.NONE],
    )
    second = table([one], [Kind.LOOKUP], [Maintenance.NONE])
    found = index_lookups([first, second], [one, two, one])
    asker = 0x7F0A0101, 6881
    assert found == {
        (*asker, one): [Found(0, 1, 100, False), Found(0, 1, 100, False)],
        (*asker, two): [Found(10, 2, 101, True)],
    }
    assert index_lookups([first], []) == {}
