from __future__ import annotations

import pytest

from montra.overlays.kad import messages
from montra.overlays.kad.messages import Bootstrap, Contact, Hello
from montra.overlays.kad.opcodes import Op
from montra.overlays.kad.reader import KadError

N1 = bytes.fromhex("a413270e269e0d37f2a74de452e6b438")
N3 = bytes.fromhex("a4e25d940ed904759531985d5d9dc9f8")
N5 = bytes.fromhex("a4116ece1738f7d93d9c172411e20b8f")
N6 = bytes.fromhex("a4b17c2390c192cfd3ac94af0f21ddb6")
N2 = bytes.fromhex("a42f902bd23f0824128b2f330c5c7fd0")
KEYWORD = bytes.fromhex("a4bd1308ace6f2fc7ff1f814710f6297")


def test_what_we_write_is_what_real_nodes_write(packets: dict[str, bytes]) -> None:
    contacts = [Contact(node, 0x64400001 + (i << 8), 4672, 4662, 8) for node, i in ((N6, 6), (N3, 3), (N2, 2), (N1, 1))]
    assert {
        "bootstrap req": messages.packet(Op.BOOTSTRAP_REQ),
        "hello req": messages.hello(Op.HELLO_REQ, Hello(N1[:-1] + b"\x39", 4662)),
        "hello res": messages.hello(Op.HELLO_RES, Hello(N3, 4662)),
        "hello res misc": messages.hello(Op.HELLO_RES, Hello(N3, 4662, 8, 6)),
        "hello res ack": messages.hello_ack(N3[:-1] + b"\xfb"),
        "req publish": messages.request(4, KEYWORD, N5),
        "req search": messages.request(2, KEYWORD, N5),
        "req node": messages.request(11, KEYWORD, N5),
        "res": messages.response(KEYWORD, contacts),
        "ping": messages.packet(Op.PING),
        "pong": messages.pong(4672),
    }.items() <= packets.items()


def test_what_real_nodes_write_is_read(packets: dict[str, bytes]) -> None:
    assert messages.read_hello(packets["hello req"]) == Hello(N1[:-1] + b"\x39", 4662, 8, 0, 0)
    assert messages.read_hello(packets["hello res misc"]) == Hello(N3, 4662, 8, 6)
    assert messages.read_hello_ack(packets["hello res ack"]) == N3[:-1] + b"\xfb"
    assert messages.read_request(packets["req publish"]) == (4, KEYWORD, N5)
    response = messages.read_response(packets["res"])
    assert response.target == KEYWORD
    assert response.contacts[1] == Contact(N3, 0x64400301, 4672, 4662, 8)
    assert len(response.contacts) == 4


def test_a_hello_with_tags() -> None:
    hello = Hello(N1, 1, 9, 5, 4672)
    packet = messages.hello(Op.HELLO_RES, hello)
    assert packet.hex() == "e419" + "0e2713a4370d9e26e44da7f238b4e652" + "0100" + "09" + "02" + (
        "080100fc4012" + "090100f205"
    )
    assert messages.read_hello(packet) == hello
    port_too_large = packet.replace(bytes.fromhex("080100fc4012"), bytes.fromhex("030100fc00000100"))
    assert messages.read_hello(port_too_large).udp_port == 0


def test_bootstrap() -> None:
    bootstrap = Bootstrap(N1, 4662, 8, (Contact(N2, 0x64400201, 4672, 4662, 8),))
    packet = messages.bootstrap(bootstrap)
    assert packet.hex() == (
        "e409" + "0e2713a4370d9e26e44da7f238b4e652" + "3612" + "08" + "0100"
        "2b902fa424083fd2332f8b12d07f5c0c010240644012361208"
    )
    assert messages.read_bootstrap(packet) == bootstrap


def test_every_reader_refuses_every_cut(packets: dict[str, bytes]) -> None:
    readers = {
        "hello req": messages.read_hello,
        "hello res misc": messages.read_hello,
        "hello res ack": messages.read_hello_ack,
        "req node": messages.read_request,
        "res": messages.read_response,
    }
    for name, read in readers.items():
        for end in range(2, len(packets[name])):
            with pytest.raises(KadError):
                read(packets[name][:end])
