"""The ground: each kind of NAT lets in whom it should, weather delays, and nothing leads out."""

import errno
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from montra.lab.clients.namespace import Namespace
from montra.lab.mixed.ground import DEVICE, Ground, ground
from montra.lab.mixed.nat import INNER, NatKind
from montra.lab.mixed.settings import MixedSettings, Weather
from montra.lab.settings import LabError

pytestmark = [pytest.mark.netns]

ROOT = Path(__file__).resolve().parents[3]
DELAY_S = 0.05
#: How long nothing must come for it to be no coming: many times what it takes.
SILENCE_S = 0.4


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    """One home of each kind, and a delay."""
    if os.geteuid() != 0 or shutil.which("ip") is None or shutil.which("nft") is None:
        pytest.skip("network namespaces with NAT need root, iproute2 and nftables")
    settings = MixedSettings(out=tmp_path_factory.mktemp("ground"), nat=4, weather=Weather(delay_s=DELAY_S))
    try:
        with ground(settings, f"montra-{os.getpid()}-g", "10.10.1.1") as made:
            yield made
    except LabError as error:
        pytest.skip(str(error))
    assert made.counts is not None
    assert made.counts.passed > 10
    assert made.counts.lost == made.counts.full == made.counts.refused == 0


def bound(inside: Namespace, ip: str, port: int = 6881) -> socket.socket:
    sock = inside.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind((ip, port))
    return sock


def heard(sock: socket.socket, seconds: float = 10.0) -> tuple[bytes, tuple[str, int]] | None:
    sock.settimeout(seconds)
    try:
        data, address = sock.recvfrom(100)
    except TimeoutError:
        return None
    return data, address


def test_what_is_sent_within_the_public_namespace_is_delayed(made: Ground) -> None:
    with closing(bound(made.public, "10.10.1.1")) as one, closing(bound(made.public, "10.20.1.1")) as other:
        begin = time.monotonic()
        one.sendto(b"hello", ("10.20.1.1", 6881))
        assert heard(other) == (b"hello", ("10.10.1.1", 6881))
        assert time.monotonic() - begin >= DELAY_S


#: Who of those that write to the node's mapped port gets through: whom it wrote to, from the port it wrote to; the same
#: from another port; a stranger.
LETS_IN = {
    NatKind.FULL_CONE: (True, True, True),
    NatKind.ADDRESS_RESTRICTED: (True, True, False),
    NatKind.PORT_RESTRICTED: (True, False, False),
    NatKind.SYMMETRIC: (True, False, False),
}


@pytest.mark.parametrize("kind", NatKind)
def test_a_nat_lets_in_whom_its_kind_does(made: Ground, kind: NatKind) -> None:
    (home,) = (home for home in made.homes if home.kind is kind)
    friend, other = bound(made.public, "10.10.1.1"), bound(made.public, "10.10.1.1", 7000)
    second, stranger = bound(made.public, "10.10.2.1"), bound(made.public, "10.10.3.1")
    with closing(bound(home.inside, INNER)) as node, friend, other, second, stranger:
        mapped = []
        for to, sock in (("10.10.1.1", friend), ("10.10.2.1", second)):
            node.sendto(b"out", (to, 6881))
            found = heard(sock)
            assert found is not None
            mapped.append(found[1])
        assert {ip for ip, _ in mapped} == {home.outer}
        same_port_for_all = mapped[0] == mapped[1] == (home.outer, 6881)
        assert same_port_for_all == (kind is not NatKind.SYMMETRIC)
        came = []
        for sock, sender in (
            (friend, ("10.10.1.1", 6881)),
            (other, ("10.10.1.1", 7000)),
            (stranger, ("10.10.3.1", 6881)),
        ):
            sock.sendto(b"in", mapped[0])
            expected = LETS_IN[kind][len(came)]
            found = heard(node, 10.0 if expected else SILENCE_S)
            assert found in (None, (b"in", sender))
            came.append(found is not None)
        assert tuple(came) == LETS_IN[kind]


def test_who_is_not_there_says_nothing(made: Ground) -> None:
    with closing(bound(made.public, "10.10.1.1")) as sock:
        sock.connect(("10.30.1.1", 6881))
        sock.send(b"anybody?")
        assert heard(sock, SILENCE_S) is None  # and not ConnectionRefusedError
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0


def test_nothing_leads_out(made: Ground) -> None:
    with made.public.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        assert sock.connect_ex(("192.0.2.1", 9)) == errno.ENETUNREACH
    code = "from montra.lab.isolation import ways_out; print(ways_out())"
    out = subprocess.run(
        made.public.command(sys.executable, "-c", code), cwd=ROOT, check=True, capture_output=True, text=True
    )
    assert out.stdout.strip() == f"['{DEVICE}']"
