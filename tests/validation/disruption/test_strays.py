"""Monitors in tables of others, from replies written by hand."""

from montra.lab.clients.wire import Packet
from montra.validation.disruption.measures import Endpoint
from montra.validation.disruption.strays import Strays, strays

SECOND = 10**9
TARGET: Endpoint = (10, 6881)
OTHER: Endpoint = (11, 6881)
MONITORS = {99: (b"m" * 20, TARGET)}
CLIENTS = {TARGET: "libtorrent", OTHER: "transmission"}


def names(at_s: int, source: Endpoint, *contacts: tuple[bytes, int]) -> Packet:
    nodes = b"".join(node_id + ip.to_bytes(4, "big") + b"\x51\x91" for node_id, ip in contacts)
    payload = b"d1:rd2:id20:" + b"i" * 20 + b"5:nodes%d:" % len(nodes) + nodes + b"e1:t1:a1:y1:re"
    return Packet(at_s * SECOND, *source, 1, 6881, payload)


def test_a_target_may_name_its_own_monitor() -> None:
    assert strays([names(1, TARGET, (b"m" * 20, 99))], MONITORS, CLIENTS) == Strays({}, 0, 0.0, 0)


def test_others_and_other_ids_are_found_with_how_long() -> None:
    packets = [
        names(1, OTHER, (b"x" * 20, 7), (b"m" * 20, 99)),
        names(31, OTHER, (b"m" * 20, 99)),
        names(40, TARGET, (b"f" * 20, 99)),
        names(50, (12, 6881), (b"m" * 20, 99)),  # no node of ours
    ]
    assert strays(packets, MONITORS, CLIENTS) == Strays({"libtorrent": 1, "transmission": 1}, 2, 30.0, 1)


def test_cut_and_false_lengths_are_nothing() -> None:
    whole = names(1, OTHER, (b"m" * 20, 99))
    for payload in (b"5:nodes", b"5:nodes26", b"5:nodesx:1:y1:r", whole.payload.replace(b"nodes26:", b"nodes25:")):
        assert strays([whole._replace(payload=payload)], MONITORS, CLIENTS).pairs == 0
