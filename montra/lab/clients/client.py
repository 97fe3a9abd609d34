"""A real client as a program: started on an address of a namespace, told to search, stopped by its process ID."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from montra.lab.clients.namespace import Namespace
from montra.lab.settings import LabError

PORT = 6881
Address = tuple[str, int]


class ClientError(LabError):
    """A client is missing, does not start, or does not take an order; one clear line."""


class Client(ABC):
    """One running client. `entries`: nodes it enters the network by; all its files are in `folder`.

    number: which of the clients of its program in this namespace it is: each has a control port of its own, and takes
    the entry nodes in another order, so that not all lean on the first.

    program: what must be installed; name: as results call it; version: its `v` as montra names it; by_find_node: its
    lookups for peers ask find_node for the info-hash. Raises OSError when the program cannot be started.
    """

    program: ClassVar[str]
    name: ClassVar[str]
    version: ClassVar[str]
    by_find_node: ClassVar[bool] = False
    #: Whether it takes orders on its standard input.
    _listens: ClassVar[bool] = False

    def __init__(
        self, inside: Namespace, ip: str, folder: Path, entries: Sequence[Address], *, number: int = 0
    ) -> None:
        self.address: Address = (ip, PORT)
        self._inside = inside
        self._folder = folder
        first = number % len(entries)
        self._entries = [*entries[first:], *entries[:first]]
        self._number = number
        folder.mkdir(parents=True)
        with (folder / "out").open("wb") as out:
            self._process = subprocess.Popen(  # noqa: S603 - a client's own command line, no shell
                inside.command(*self._words()),
                stdin=subprocess.PIPE if self._listens else subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                env={**os.environ, "HOME": str(folder), "TERM": "dumb", **self._variables()},
                cwd=folder,
                bufsize=0,
                # an interrupt at the terminal is for whoever started the client, and then ends it in order
                start_new_session=True,
            )

    @classmethod
    def missing(cls) -> str:
        """Say what must be installed for the client to run here; empty if it can."""
        return "" if shutil.which(cls.program) else f"{cls.program} is not installed"

    @classmethod
    @abstractmethod
    def release(cls) -> str:
        """Return the installed program's name and version, as it tells them; raises ClientError."""

    @abstractmethod
    def _words(self) -> list[str]:
        """Write what the client reads at its start, and return its command line."""

    def _variables(self) -> dict[str, str]:
        """Return what its environment has besides the usual."""
        return {}

    @abstractmethod
    def ready(self) -> bool:
        """Tell whether it takes orders yet."""

    @abstractmethod
    def search(self, info_hash: bytes) -> None:
        """Look the info-hash up at once, to find peers and then announce itself; raises ClientError or OSError."""

    def forget(self, info_hash: bytes) -> None:
        """Give a search up, so that the client does not repeat it; harmless where it does not by itself."""
        del info_hash

    def running(self) -> bool:
        """Tell whether the process is there."""
        return self._process.poll() is None

    def said(self) -> str:
        """Return the last line of its output, for error messages."""
        lines = (self._folder / "out").read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else "nothing"

    def stop(self, grace_s: float = 3.0) -> None:
        """End the process, by force if it takes longer than `grace_s`; harmless when it has ended."""
        if self.running():
            self._process.send_signal(signal.SIGTERM if grace_s else signal.SIGKILL)
        try:
            self._process.wait(grace_s or None)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdin is not None:
            self._process.stdin.close()


def first_line(*words: str) -> str:
    """Run a program that tells its version and return the first line it says; raises ClientError."""
    try:
        done = subprocess.run(  # noqa: S603 - fixed words, no shell
            words, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ClientError(f"{words[0]} does not tell its version: {error}") from error
    lines = (done.stdout + done.stderr).strip().splitlines()
    if not lines:
        raise ClientError(f"{words[0]} does not tell its version")
    return lines[0]
