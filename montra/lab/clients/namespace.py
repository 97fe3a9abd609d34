"""A network namespace that the tests make: loopback alone, one whole block of addresses local to it, no way out."""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

#: Every address of it can be bound without configuring it, and a packet to any of them stays on loopback.
BLOCK = "10.0.0.0/8"
#: Names that clients resolve to enter the public network; in the namespace they are a node of ours.
ROUTERS = (
    "router.bittorrent.com",
    "router.utorrent.com",
    "dht.transmissionbt.com",
    "dht.libtorrent.org",
    "dht.aelitis.com",
)
_NAMED = Path("/run/netns")
_FILES = Path("/etc/netns")
_CLONE_NEWNET = 0x40000000


class Namespace:
    """A namespace by name. Programs run in it by `command`; this process reaches into it by `socket`."""

    def __init__(self, name: str) -> None:
        self.name = name

    def command(self, *words: str) -> list[str]:
        """Return the command line that runs these words inside, with the namespace's own /etc/hosts."""
        return ["ip", "netns", "exec", self.name, *words]

    def socket(self, family: int, kind: int, protocol: int = 0) -> socket.socket:
        """Return a socket of the namespace: a socket stays where it was made, so a thread goes there to make it."""
        made: list[socket.socket | Exception] = []

        def visit() -> None:
            try:
                with (_NAMED / self.name).open("rb") as file:
                    if ctypes.CDLL(None, use_errno=True).setns(file.fileno(), _CLONE_NEWNET):
                        raise OSError(ctypes.get_errno(), "setns")
                made.append(socket.socket(family, kind, protocol))
            except Exception as error:
                made.append(error)

        thread = threading.Thread(target=visit)
        thread.start()
        thread.join()
        if isinstance(made[0], Exception):
            raise made[0]
        return made[0]

    def kill_all(self) -> None:
        """Kill whatever runs in the namespace: all of it was started there by us."""
        for pid in _ip("netns", "pids", self.name).split():
            os.kill(int(pid), signal.SIGKILL)


@contextmanager
def namespace(name: str, router: str) -> Iterator[Namespace]:
    """Make a namespace, with the public router names at address `router`; take it away whatever happens inside."""
    files = _FILES / name
    parent_is_ours = not _FILES.exists()
    _ip("netns", "add", name)
    try:
        _ip("-n", name, "link", "set", "lo", "up")
        _ip("-n", name, "address", "add", BLOCK, "dev", "lo")
        files.mkdir(parents=True)
        (files / "hosts").write_text(f"127.0.0.1 localhost\n{router} {' '.join(ROUTERS)}\n")
        inside = Namespace(name)
        try:
            yield inside
        finally:
            inside.kill_all()
    finally:
        _ip("netns", "delete", name)
        shutil.rmtree(files, ignore_errors=True)
        if parent_is_ours:
            with suppress(OSError):  # others may use it by now
                _FILES.rmdir()


def _ip(*words: str) -> str:
    return subprocess.run(["ip", *words], check=True, capture_output=True, text=True, timeout=30).stdout
