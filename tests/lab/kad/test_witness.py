"""Packets in the clear: obfuscated, packed or plain, to nodes and to strangers, and what cannot be read."""

import random
import struct
from pathlib import Path

from montra.datagrams import ip_number
from montra.lab.kad.population import KadNode
from montra.lab.kad.record import PACKETS_NAME, SCHEMA, KadRecord
from montra.lab.kad.settings import KadLabSettings
from montra.lab.kad.sightings import Answered, Asked, Found, Named, Stored
from montra.lab.kad.witness import Seen, Witness
from montra.overlays.kad import messages, phase_two
from montra.overlays.kad.frames import packed
from montra.overlays.kad.ids import verify_key
from montra.overlays.kad.messages import Contact, Hello
from montra.overlays.kad.obfuscation import obfuscate
from montra.overlays.kad.opcodes import Op, TagName
from montra.overlays.kad.phase_two import File, PublishNotes, PublishSource, SearchNotes, SearchResult, SearchSource
from zone_store.contents import What

KEY, FILE, OTHER = b"\xa4" + bytes(15), b"\xa4" + b"\x11" * 15, b"\xa4" + b"\x22" * 15
ONE = KadNode(index=0, id=(b"\xa4" + b"\x33" * 15).hex(), ip="100.64.1.1", udp_key=7)
TWO = KadNode(index=1, id=(b"\xa4" + b"\x44" * 15).hex(), ip="100.64.2.1", udp_key=9)
MONITOR, MONITOR_ID = "100.96.1.1", b"\xa4" + b"\x44" * 14 + b"\x45"
RNG = random.Random(1)


def record() -> KadRecord:
    return KadRecord(
        schema=SCHEMA,
        settings=KadLabSettings(out=Path("out"), nodes=2, publishers=()),
        workload=None,
        client="aMuleD 2.3.3",
        nodes=(ONE, TWO),
        files=(),
        words=(),
        orders=(),
        started_ns=0,
        went_ns=0,
        end_ns=0,
        cpu_s=0.0,
        unread=0,
        unseen=0,
    )


def write(folder: Path, *packets: tuple[str, str, bytes]) -> Path:
    """Write packets (source, destination, payload), a second apart, ports 4672."""
    parts = [struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 65535, 101)]
    for second, (source, destination, payload) in enumerate(packets):
        ips = ip_number(source).to_bytes(4, "big") + ip_number(destination).to_bytes(4, "big")
        data = b"\x45" + bytes(8) + b"\x11" + bytes(2) + ips
        data += struct.pack(">HHHH", 4672, 4672, 8 + len(payload), 0) + payload
        parts.append(struct.pack("<IIII", second, 0, len(data), len(data)) + data)
    (folder / PACKETS_NAME).write_bytes(b"".join(parts))
    return folder


def look(folder: Path) -> tuple[list[Seen], Witness]:
    witness = Witness(folder, record())
    return list(witness.read()), witness


def test_reads_packets_by_the_id_and_by_the_verify_key_of_a_node(tmp_path: Path) -> None:
    request = messages.request(0xE2, KEY, TWO.node_id)
    answer = messages.response(KEY, [Contact(OTHER, 1, 2, 3, 8)] * 10)
    assert len(packed(answer)) < len(answer)
    by_id = obfuscate(request, RNG, node_id=TWO.node_id, sender_key=5)
    key = verify_key(ip_number(TWO.ip), b"\x07\0\0\0")
    by_key = obfuscate(packed(answer), RNG, receiver_key=key, sender_key=6)
    seen, witness = look(write(tmp_path, (ONE.ip, TWO.ip, by_id), (TWO.ip, ONE.ip, by_key)))
    one, two = ip_number(ONE.ip), ip_number(TWO.ip)
    assert seen == [
        Seen(0, one, 4672, two, 4672, Op.REQ, Asked(2, KEY, TWO.node_id)),
        Seen(10**9, two, 4672, one, 4672, Op.RES, Answered(KEY)),
    ]
    assert witness.unreadable == 0


def test_reads_what_a_stranger_is_sent_once_it_has_told_its_id(tmp_path: Path) -> None:
    request = obfuscate(messages.request(4, KEY, MONITOR_ID), RNG, node_id=MONITOR_ID)
    hello = obfuscate(messages.hello(Op.HELLO_REQ, Hello(MONITOR_ID, 4662)), RNG, node_id=TWO.node_id)
    packets = [(ONE.ip, MONITOR, request), (MONITOR, TWO.ip, hello), (ONE.ip, MONITOR, request)]
    seen, witness = look(write(tmp_path, *packets))
    assert [(one.t_ns, one.opcode) for one in seen] == [(10**9, Op.HELLO_REQ), (2 * 10**9, Op.REQ)]
    assert seen[1].said == Asked(4, KEY, MONITOR_ID)
    assert witness.unreadable == 0  # the first was for no node of ours


def test_counts_what_cannot_be_read_on_its_way_to_a_node(tmp_path: Path) -> None:
    wrong = [
        b"",
        b"\xe4",
        bytes(40),
        b"\xe5\x29no zlib",
        messages.request(2, KEY, TWO.node_id)[:-1],
        obfuscate(messages.request(2, KEY, ONE.node_id), RNG, node_id=ONE.node_id),
    ]
    seen, witness = look(write(tmp_path, *((ONE.ip, TWO.ip, payload) for payload in wrong)))
    assert seen == []
    assert witness.unreadable == len(wrong)


def test_tells_what_was_published_searched_and_found(tmp_path: Path) -> None:
    tags = [(TagName.FILE_NAME, "a name.bin"), (TagName.FILE_SIZE, 300)]
    size = [(TagName.FILE_SIZE, 300)]
    named = [
        (phase_two.publish_key(KEY, [File(FILE, tags), File(OTHER, size)]), What.KEYWORD),
        (phase_two.publish_source(PublishSource(FILE, OTHER, size)), What.SOURCE),
        (phase_two.publish_notes(PublishNotes(FILE, OTHER, tags)), What.NOTES),
        (phase_two.search_key(KEY), What.SEARCH_KEYWORD),
        (phase_two.search_source(SearchSource(FILE, 0, 300)), What.SEARCH_SOURCE),
        (phase_two.search_notes(SearchNotes(FILE, 300)), What.SEARCH_NOTES),
    ]
    others = [
        phase_two.search_result(SearchResult(ONE.node_id, KEY, [File(FILE, tags)])),
        phase_two.publish_result(FILE, 50),
        messages.packet(Op.PING),
    ]
    payloads = [packet for packet, _ in named] + others
    seen, _ = look(write(tmp_path, *((ONE.ip, TWO.ip, payload) for payload in payloads)))
    assert [one.said for one in seen] == [
        Named(What.KEYWORD, KEY, [(FILE, 300, "a name.bin"), (OTHER, 300, "")]),
        Named(What.SOURCE, FILE, [(FILE, 300, "")]),
        Named(What.NOTES, FILE, [(FILE, 300, "a name.bin")]),
        Named(What.SEARCH_KEYWORD, KEY, []),
        Named(What.SEARCH_SOURCE, FILE, [(FILE, 300, "")]),
        Named(What.SEARCH_NOTES, FILE, [(FILE, 300, "")]),
        Found(KEY, [FILE]),
        Stored(FILE),
        None,
    ]
