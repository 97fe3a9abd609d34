"""Search and publish told apart: a small run of an overlay with 16-byte IDs and no requester IDs, and its truth."""

from pathlib import Path

import numpy as np

from montra.datagrams import ip_number
from montra.validation.compare import compare
from montra.validation.tables import rows, text
from montra.validation.truth import BUDDY, PUBLISH, SEARCH, Truth, TruthLookup, TruthNode
from zone_store.attribution import attribute, write_lookups
from zone_store.captures import Attachment, Captures, Kind
from zone_store.keyspace.zone import Zone
from zone_store.run.folder import Manifest, create_run
from zone_store.run.reader import RunReader
from zone_store.run.writer import RunWriter

from .worlds import SECOND, at

PORT = 4672
#: Nodes a4 to a7, beside each of which a monitor stands.
BYTES = (0xA4, 0xA5, 0xA6, 0xA7)


def id_of(byte: int) -> bytes:
    return bytes([byte]) + b"\x11" * 15


def key_of(byte: int) -> bytes:
    return bytes([byte]) + b"\x22" * 15


def node_ip(index: int) -> int:
    return ip_number(f"100.64.{index}.1")


NODES = {i: TruthNode(i, id_of(byte), node_ip(i), PORT, at(0), client="aMule") for i, byte in enumerate(BYTES)}


def lookup(index: int, byte: int, seconds: float, method: str, *received: int, told: bool = True) -> TruthLookup:
    return TruthLookup(
        at(seconds),
        NODES[index],
        key_of(byte),
        method == PUBLISH,
        noseed=False,
        received=dict.fromkeys(received, at(seconds + 0.1)),
        method=method,
        told=told,
    )


def write_run(parent: Path, copies: list[tuple[float, int, int, int, Kind]]) -> Path:
    """Write, seal and attribute a run of copies: seconds, indices of target and requester, key, kind."""
    zone = Zone.parse("a4/6", 128)
    folder = create_run(parent, at(3), "kad", zone)
    manifest = Manifest(montra_version="0", overlay="kad", zone=str(zone), id_bits=128, start_ns=at(3))
    n = len(copies)
    with RunWriter(folder, manifest, "") as writer:
        for i, node in NODES.items():
            monitor_id = node.node_id[:-1] + b"\x10"
            times = at(3), at(3), at(3), ((at(4), 0),)
            writer.attachment(
                Attachment(i + 1, node.node_id, node.ip, PORT, monitor_id, node.ip + (1 << 20), PORT, *times)
            )
        writer.captures(
            Captures(
                np.array([at(copy[0]) for copy in copies], np.int64),
                np.array([copy[1] + 1 for copy in copies], np.uint32),
                np.array([node_ip(copy[2]) for copy in copies], np.uint32),
                np.full(n, PORT, np.uint16),
                np.zeros((n, 16), np.uint8),
                np.array([list(key_of(copy[3])) for copy in copies], np.uint8),
                np.array([copy[4] for copy in copies], np.uint8),
                np.zeros(n, np.uint16),
                np.zeros(n, np.uint32),
                np.zeros(n, np.uint16),
            )
        )
        (folder / "status.csv").touch()
        (folder / "log.jsonl").touch()
        writer.seal(at(90), "done")
    with RunReader(folder) as reader:
        found = list(attribute(reader, span_ns=60 * SECOND, refresh_bits=129, contact_bits={0: 24}, contacts=2))
    write_lookups(folder, found)
    return folder


def test_search_and_publish_are_judged_apart(tmp_path: Path) -> None:
    truth = Truth(
        "a4/6",
        NODES,
        [
            # one node searches and publishes one key at once
            lookup(0, 0xA5, 10.0, SEARCH, 1, 2),
            lookup(0, 0xA5, 10.2, PUBLISH, 1),
            # taken for a search
            lookup(1, 0xA6, 20.0, PUBLISH, 2),
            # only a node lookup of it was captured
            lookup(2, 0xA7, 30.0, SEARCH, 3),
            # nearest to the key itself: it asks itself, and the monitor that it holds in its own table
            lookup(3, 0xA7, 40.0, SEARCH, 3, 2),
            # known by its count alone, so that nothing is shown by it
            lookup(0, 0xA7, 50.0, SEARCH, 3, told=False),
            # a lookup for a buddy looks like a publish
            lookup(1, 0xA5, 60.0, BUDDY, 1),
            # too late to be judged
            lookup(3, 0xA4, 86.0, SEARCH, 0),
        ],
        end_ns=at(90),
        lasts_ns=5 * SECOND,
    )
    run = write_run(
        tmp_path,
        [
            (10.1, 2, 0, 0xA5, Kind.SEARCH),
            (10.3, 1, 0, 0xA5, Kind.PUBLISH),
            (10.4, 1, 0, 0xA5, Kind.SEARCH),
            (20.1, 2, 1, 0xA6, Kind.SEARCH),
            (30.1, 3, 2, 0xA7, Kind.NODE_LOOKUP),
            (40.1, 3, 3, 0xA7, Kind.SEARCH),
            (40.2, 2, 3, 0xA7, Kind.SEARCH),
            (50.1, 3, 0, 0xA7, Kind.SEARCH),
            (60.1, 1, 1, 0xA5, Kind.PUBLISH),
        ],
    )
    found = compare(run, truth, since_ns=at(5))
    assert (found.capture.hits, found.capture.trials) == (6, 7)
    assert (found.capture_lookups.hits, found.capture_lookups.trials) == (4, 5)
    assert (found.capture_announces.hits, found.capture_announces.trials) == (2, 2)
    assert (found.told_apart.hits, found.told_apart.trials) == (3, 5)
    assert (found.destination.hits, found.inferred.hits, found.misfiled) == (6, 6, 0)
    # node lookups are counted as nobody's
    assert (found.unexplained.hits, found.unexplained.trials) == (0, 6)
    assert found.excluded == {"cut_off_by_end": 1}
    assert (found.reached_closest.hits, found.reached_closest.trials) == (7, 7)
    assert dict(rows(found))["Search or publish told right, of those captured"].startswith("60.0%")
    assert "requester's client" in text(found)
