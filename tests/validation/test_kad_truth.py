"""The truth of a Kad lab, from packets written as amuled sends them."""

import struct
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import pytest

from montra.datagrams import ip_number
from montra.lab.kad.population import KadNode
from montra.lab.kad.record import PACKETS_NAME, RECORD_NAME, SCHEMA, KadRecord, OrderRecord, write_record
from montra.lab.kad.settings import KadLabSettings, KadWorkload
from montra.overlays.kad import messages, phase_two
from montra.overlays.kad.opcodes import TagName
from montra.overlays.kad.phase_two import File, PublishSource, SearchResult
from montra.validation.kad_truth import KadTruth, load_kad_truth, load_truth
from montra.validation.truth import PUBLISH, SEARCH, TruthError
from zone_store.contents import What

RATE = 10.0
KEY, FILE = b"\xa4" + bytes(15), b"\xa4" + b"\x11" * 15
IDS = [b"\xa4" + bytes([byte]) + bytes(14) for byte in (0x80, 0x40, 0x01)]
NODES = tuple(
    KadNode(index=i, id=node_id.hex(), ip=f"100.64.{i + 1}.1", udp_key=i + 1) for i, node_id in enumerate(IDS)
)
MONITOR = "100.96.1.1"
IPS = [ip_number(node.ip) for node in NODES]
RECORD = KadRecord(
    schema=SCHEMA,
    settings=KadLabSettings(out=Path("out"), nodes=3, rate=RATE, publishers=()),
    workload=KadWorkload(),
    client="aMuleD 2.3.3",
    nodes=NODES,
    files=(),
    words=(),
    orders=(OrderRecord(t_ns=1, index=0, kind="search", what="00", refusal="no answer"),),
    started_ns=5,
    went_ns=10,
    end_ns=10**12,
    cpu_s=1.0,
    unread=2,
    unseen=0,
)


@dataclass
class Wire:
    """Packets in plain form, written as a lab's folder."""

    rows: list[bytes] = field(default_factory=list)

    def send(self, seconds: float, source: str, destination: str, packet: bytes) -> None:
        ips = ip_number(source).to_bytes(4, "big") + ip_number(destination).to_bytes(4, "big")
        data = b"\x45" + bytes(8) + b"\x11" + bytes(2) + ips
        data += struct.pack(">HHHH", 4672, 4672, 8 + len(packet), 0) + packet
        self.rows.append(struct.pack("<IIII", *divmod(round(seconds * 1e9), 10**9), len(data), len(data)) + data)

    def ask(self, seconds: float, one: int, other: int, count: int, key: bytes = KEY) -> None:
        self.send(seconds, NODES[one].ip, NODES[other].ip, messages.request(count, key, IDS[other]))

    def tell(self, seconds: float, one: int, other: int, packet: bytes) -> None:
        self.send(seconds, NODES[one].ip, NODES[other].ip, packet)

    def truth(self, folder: Path, record: KadRecord = RECORD) -> KadTruth:
        write_record(folder, record)
        header = struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 65535, 101)
        (folder / PACKETS_NAME).write_bytes(header + b"".join(self.rows))
        return load_kad_truth(folder)


def ns(seconds: float) -> int:
    return round(seconds * 1e9)


def test_a_lookup_is_all_requests_of_one_node_for_one_key_with_one_purpose(tmp_path: Path) -> None:
    wire = Wire()
    wire.ask(1.0, 0, 1, 2)
    wire.ask(1.5, 0, 2, 2)
    wire.ask(1.6, 0, 1, 2)
    wire.ask(1.7, 0, 2, 4)
    wire.ask(1.8, 1, 2, 2)
    wire.ask(1.9, 0, 2, 11)  # no search and no store
    wire.send(2.0, NODES[0].ip, MONITOR, messages.request(2, KEY, bytes(16)))
    wire.send(2.1, MONITOR, NODES[0].ip, messages.request(2, KEY, IDS[0]))  # by no node
    found = wire.truth(tmp_path).truth.lookups
    assert [(one.requester.index, one.method, one.announce) for one in found] == [
        (0, SEARCH, False),
        (0, PUBLISH, True),
        (1, SEARCH, False),
    ]
    assert found[0].t_ns == ns(1)
    assert found[0].received == {1: ns(1), 2: ns(1.5)}
    assert found[0].asked == {(IPS[1], 4672): ns(1), (IPS[2], 4672): ns(1.5), (ip_number(MONITOR), 4672): ns(2)}


def test_the_destination_is_the_nearest_node_that_received_the_request(tmp_path: Path) -> None:
    wire = Wire()
    wire.ask(1.0, 0, 1, 2)
    wire.ask(1.1, 0, 2, 2)
    truth = wire.truth(tmp_path).truth
    destination = truth.destination(truth.lookups[0])
    assert destination is not None
    assert (destination.index, destination.node_id, destination.ip, destination.port) == (2, IDS[2], IPS[2], 4672)
    assert destination.client == "amuled 2.3.3"


def test_a_later_lookup_for_the_same_key_is_another(tmp_path: Path) -> None:
    wire = Wire()
    for seconds in (1.0, 16.9, 17.1, 40.0):  # a store is over after 160 s of a clock that runs ten times as fast
        wire.ask(seconds, 0, 1, 4)
    assert [one.t_ns for one in wire.truth(tmp_path).truth.lookups] == [ns(1), ns(17.1), ns(40)]


def test_a_node_that_is_taken_for_another_keeps_silent_and_received_nothing(tmp_path: Path) -> None:
    wire = Wire()
    wire.send(1.0, NODES[0].ip, NODES[1].ip, messages.request(2, KEY, IDS[2]))
    truth = wire.truth(tmp_path)
    assert truth.truth.lookups[0].received == {}
    assert list(truth.truth.lookups[0].asked) == [(IPS[1], 4672)]
    assert truth.misdirected == 1


def test_a_store_and_what_it_told(tmp_path: Path) -> None:
    wire = Wire()
    name = [(TagName.FILE_NAME, "x y.bin"), (TagName.FILE_SIZE, 99)]
    wire.ask(1.0, 0, 1, 4)
    wire.tell(1.2, 1, 0, messages.response(KEY))
    wire.tell(2.0, 0, 1, phase_two.publish_key(KEY, [File(FILE, name), File(KEY, [])]))
    wire.tell(2.1, 1, 0, phase_two.publish_result(KEY, 3))
    wire.tell(3.0, 0, 2, phase_two.publish_source(PublishSource(FILE, IDS[0], name)))  # of a lookup before the log
    truth = wire.truth(tmp_path)
    (entry,) = truth.lookups
    assert entry.answered == {1: ns(1.2)}
    assert entry.told == {1: ns(2)}
    assert entry.lookup.stored == {1}
    assert entry.acknowledged == {1: ns(2.1)}
    assert entry.what == {What.KEYWORD}
    assert (entry.last_ns, entry.done_ns) == (ns(2), ns(2))
    assert [tuple(said) for said in truth.said] == [
        (ns(2), 0, IPS[1], 4672, What.KEYWORD, KEY, FILE, 99, "x y.bin"),
        (ns(2), 0, IPS[1], 4672, What.KEYWORD, KEY, KEY, 0, ""),
        (ns(3), 0, IPS[2], 4672, What.SOURCE, FILE, FILE, 99, "x y.bin"),
    ]


def test_a_search_and_what_it_found(tmp_path: Path) -> None:
    wire = Wire()
    wire.ask(1.0, 0, 1, 2)
    wire.tell(1.5, 0, 1, phase_two.search_key(KEY))
    wire.tell(1.6, 1, 0, phase_two.search_result(SearchResult(IDS[1], KEY, [])))
    wire.tell(1.7, 1, 0, phase_two.search_result(SearchResult(IDS[1], KEY, [File(FILE, []), File(KEY, [])])))
    wire.tell(1.8, 2, 0, phase_two.search_result(SearchResult(IDS[2], KEY, [File(FILE, [])])))
    (entry,) = wire.truth(tmp_path).lookups
    assert (entry.results, entry.first_result_ns) == (3, ns(1.7))
    assert entry.what == {What.SEARCH_KEYWORD}
    assert entry.lookup.stored == set()


def test_says_what_is_missing_or_could_not_be_read(tmp_path: Path) -> None:
    wire = Wire()
    wire.tell(1.0, 0, 1, bytes(30))
    truth = wire.truth(tmp_path)
    assert (truth.unreadable, truth.unread, truth.truth.skipped) == (1, 2, 1)
    assert (truth.truth.converged_ns, truth.truth.end_ns, truth.truth.zone) == (10, 10**12, "a4/8")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"end_ns": 0}, "has no end"),
        ({"unseen": 3}, "3 packets are missing"),
        ({"schema": 99}, "schema 99, this version reads 1"),
    ],
)
def test_refuses_an_incomplete_record(tmp_path: Path, change: dict[str, int], said: str) -> None:
    with pytest.raises(TruthError, match=said):
        Wire().truth(tmp_path, msgspec.structs.replace(RECORD, **change))


def test_refuses_a_damaged_or_missing_record(tmp_path: Path) -> None:
    with pytest.raises(TruthError, match=r"kadlab\.json: No such file"):
        load_truth(tmp_path)
    (tmp_path / RECORD_NAME).write_bytes(b"{}")
    with pytest.raises(TruthError, match="missing required field"):
        load_truth(tmp_path)
