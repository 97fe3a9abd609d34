"""One amuled, and amulecmd to rule it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from montra.lab.clients.namespace import Namespace
from montra.lab.kad.configuration import INCOMING, PASSWORD
from montra.lab.kad.population import CONTROL_PORT, KadNode, SharedFile

_EXIT_S = 30.0
_ANSWER_S = 30.0


class Daemon:
    """A running amuled. `environment` is what it is started with besides our own."""

    def __init__(self, inside: Namespace, folder: Path, node: KadNode, environment: Mapping[str, str]) -> None:
        self.node = node
        self._folder = folder
        with (folder / "amuled.out").open("wb") as out:
            self._process = subprocess.Popen(  # noqa: S603 - words of ours, no shell
                inside.command("amuled", f"--config-dir={folder}", "--log-stdout"),
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                env={**os.environ, "HOME": str(folder), **environment},
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._process.poll() is None

    def share(self, file: SharedFile) -> None:
        """Put a file where it looks for shared ones; it looks when told to reload them."""
        (self._folder / INCOMING / file.name).write_bytes(file.content)

    def end(self) -> None:
        """Kill it: there is nothing that it would have to keep."""
        self._process.kill()

    def wait(self) -> None:
        """Wait until it is gone."""
        self._process.wait(_EXIT_S)


class Command:
    """A command on its way to a daemon, by an amulecmd of its own. Nothing here waits."""

    def __init__(self, inside: Namespace, node: KadNode, words: str) -> None:
        self.node = node
        self.words = words
        self._process = subprocess.Popen(  # noqa: S603 - words of ours, no shell
            inside.command(
                "amulecmd", f"--host={node.ip}", f"--port={CONTROL_PORT}", f"--password={PASSWORD}", "-c", words
            ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def done(self) -> bool:
        """Whether there is an answer. amulecmd says little, so it never waits for its output to be read."""
        return self._process.poll() is not None

    def said(self) -> str:
        """Return what was answered, all of it; "" when the daemon was not reached. Waits for it, but not for ever."""
        try:
            out, _ = self._process.communicate(timeout=_ANSWER_S)
        except subprocess.TimeoutExpired:
            self.kill()
            return ""
        _, connected, answer = out.decode(errors="replace").partition("Connection established")
        return answer.partition("\n")[2].strip() if connected else ""

    def kill(self) -> None:
        """Give it up."""
        self._process.kill()
        self._process.communicate()
