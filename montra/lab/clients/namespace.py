"""Network namespaces of ours: loopback, addresses local to it, and no way out but what we add ourselves."""

from __future__ import annotations

import ctypes
import fcntl
import os
import shutil
import signal
import socket
import struct
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from montra.lab.settings import LabError

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
# linux/if_tun.h: bare IPv4 packets, one for each read and write
_TUN = Path("/dev/net/tun")
_TUNSETIFF = 0x400454CA
_IFF_TUN, _IFF_NO_PI = 0x0001, 0x1000
_TIMEOUT_S = 30

Made = TypeVar("Made")


class Namespace:
    """A namespace by name. Programs run in it by `command`; this process reaches into it by `socket` and `tun`."""

    def __init__(self, name: str) -> None:
        self.name = name

    def command(self, *words: str) -> list[str]:
        """Return the command line that runs these words inside, with the namespace's own /etc/hosts."""
        return ["ip", "netns", "exec", self.name, *words]

    def run(self, *words: str, said: str | None = None) -> str:
        """Run a command inside, with `said` on its input, and return its output; raises LabError when it fails."""
        return run(*self.command(*words), said=said)

    def socket(self, family: int, kind: int, protocol: int = 0) -> socket.socket:
        """Return a socket of the namespace."""
        return self._visit(lambda: socket.socket(family, kind, protocol))

    def tun(self, device: str) -> int:
        """Make a TUN device and return the descriptor of its other end; raises LabError where there are none.

        What is routed to the device is read from the descriptor, and what is written there arrives by the device.
        """

        def make() -> int:
            fd = os.open(_TUN, os.O_RDWR | os.O_CLOEXEC)
            fcntl.ioctl(fd, _TUNSETIFF, struct.pack("16sH22x", device.encode(), _IFF_TUN | _IFF_NO_PI))
            return fd

        try:
            return self._visit(make)
        except OSError as error:
            raise LabError(f"no TUN device can be made by {_TUN}: {error.strerror}") from error

    def set(self, name: str, value: str) -> None:
        """Set a parameter of the namespace, named as under /proc/sys; raises LabError."""
        path = Path("/proc/sys") / name
        try:
            self._visit(lambda: path.write_text(value))
        except OSError as error:
            raise LabError(f"cannot set {path}: {error.strerror}") from error

    def kill_all(self) -> None:
        """Kill whatever runs in the namespace: all of it was started there by us."""
        for pid in run("ip", "netns", "pids", self.name).split():
            with suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)

    def _visit(self, make: Callable[[], Made]) -> Made:
        """Make something inside: a socket or device stays where it was made, so a thread goes there to make it."""
        made: list[Made] = []
        failed: list[Exception] = []

        def visit() -> None:
            try:
                with (_NAMED / self.name).open("rb") as file:
                    if ctypes.CDLL(None, use_errno=True).setns(file.fileno(), _CLONE_NEWNET):
                        raise OSError(ctypes.get_errno(), "setns")
                made.append(make())
            except Exception as error:
                failed.append(error)

        thread = threading.Thread(target=visit)
        thread.start()
        thread.join()
        if failed:
            raise failed[0]
        return made[0]


@contextmanager
def namespace(name: str, router: str, block: str = BLOCK) -> Iterator[Namespace]:
    """Make a namespace, with the public router names at address `router`; take it away whatever happens inside.

    block: addresses local to it, none if empty. Raises LabError where none can be made.
    """
    files = _FILES / name
    parent_is_ours = not _FILES.exists()
    run("ip", "netns", "add", name)
    try:
        run("ip", "-n", name, "link", "set", "lo", "up")
        if block:
            run("ip", "-n", name, "address", "add", block, "dev", "lo")
        files.mkdir(parents=True)
        (files / "hosts").write_text(f"127.0.0.1 localhost\n{router} {' '.join(ROUTERS)}\n")
        inside = Namespace(name)
        try:
            yield inside
        finally:
            inside.kill_all()
    finally:
        run("ip", "netns", "delete", name)
        shutil.rmtree(files, ignore_errors=True)
        if parent_is_ours:
            with suppress(OSError):  # others may use it by now
                _FILES.rmdir()


def run(*words: str, said: str | None = None) -> str:
    """Run a command, with `said` on its input, and return its output; raises LabError when it fails."""
    try:
        done = subprocess.run(  # noqa: S603 - words of ours, no shell
            words, check=True, capture_output=True, text=True, input=said, timeout=_TIMEOUT_S
        )
    except subprocess.CalledProcessError as error:
        reason = error.stderr.strip().splitlines()
        raise LabError(f"{' '.join(words)}: {reason[0] if reason else f'exit {error.returncode}'}") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise LabError(f"{' '.join(words)}: {error}") from error
    return done.stdout
