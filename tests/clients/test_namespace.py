"""The namespace itself: what the promise rests on that no test sends anything out of the machine."""

import errno
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from montra.lab.clients.namespace import Namespace, namespace

pytestmark = [pytest.mark.netns]

ROOT = Path(__file__).resolve().parents[2]


def inside_python(inside: Namespace, code: str) -> str:
    done = subprocess.run(
        inside.command(sys.executable, "-c", code), cwd=ROOT, check=True, capture_output=True, text=True, timeout=30
    )
    return done.stdout.strip()


def test_there_is_no_way_out(inside: Namespace) -> None:
    with inside.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:  # to connect sends nothing, but needs a route
        assert sock.connect_ex(("192.0.2.1", 9)) == errno.ENETUNREACH
        assert sock.connect_ex(("10.250.1.1", 9)) == 0
    assert inside_python(inside, "from montra.lab.isolation import ways_out; print(ways_out())") == "[]"


def test_public_router_names_are_a_node_of_ours(inside: Namespace) -> None:
    code = "import socket; print(socket.gethostbyname('router.bittorrent.com'))"
    assert inside_python(inside, code) == "10.10.1.1"


def test_it_goes_away_with_all_that_runs_in_it_even_on_failure(inside: Namespace) -> None:
    name = f"montra-{os.getpid()}-short"
    programs: list[subprocess.Popen[bytes]] = []

    def fail() -> None:
        with namespace(name, router="10.1.1.1") as short:
            programs.append(subprocess.Popen(short.command("sleep", "60")))
            end = time.monotonic() + 10
            while not Path(f"/proc/{programs[0].pid}/cmdline").read_bytes().startswith(b"sleep"):  # it is `ip` at first
                assert time.monotonic() < end
                time.sleep(0.01)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert programs[0].wait(10) == -9
    assert not Path("/run/netns", name).exists()
    assert not Path("/etc/netns", name).exists()
    assert Path("/run/netns", inside.name).exists()
