"""The namespace, and the scene played in it once for all tests."""

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from montra.lab.clients.client import Client
from montra.lab.clients.drivers import Webtorrent
from montra.lab.clients.namespace import Namespace, namespace
from montra.lab.clients.programs import Aria2, RTorrent, Transmission
from montra.lab.settings import LabError
from tests.clients.scene import Evidence, play

KINDS: tuple[type[Client], ...] = (Aria2, Transmission, RTorrent, Webtorrent)


@pytest.fixture(scope="session")
def inside() -> Iterator[Namespace]:
    """A network namespace of 10.0.0.0/8 without a way out."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        pytest.skip("a network namespace needs root and iproute2")
    with ExitStack() as stack:
        try:
            made = stack.enter_context(namespace(f"montra-{os.getpid()}", router="10.10.1.1"))
        except LabError as error:
            pytest.skip(f"no network namespace can be made here: {error}")
        yield made


@pytest.fixture(scope="session")
def evidence(inside: Namespace, tmp_path_factory: pytest.TempPathFactory) -> Evidence:
    """What a window on a network with all installed clients in it has left behind."""
    pytest.importorskip("libtorrent")
    kinds = [kind for kind in KINDS if not kind.missing()]
    if not kinds:
        pytest.skip("no client is installed")
    return play(inside, tmp_path_factory.mktemp("clients"), kinds)


@pytest.fixture(params=KINDS, ids=lambda kind: kind.program)
def client(request: pytest.FixtureRequest, evidence: Evidence) -> Client:
    """Each client in turn."""
    program = request.param.program
    if program not in evidence.clients:
        pytest.skip(request.param.missing())
    return evidence.clients[program]
