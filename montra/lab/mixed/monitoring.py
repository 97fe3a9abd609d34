"""`montra monitor` as a process in a namespace: from outside, as anybody runs it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import tomli_w

from montra.lab.clients.namespace import Namespace
from montra.lab.settings import LabError
from zone_store.captures import Attachment
from zone_store.run.folder import RunError
from zone_store.run.join import shards_of
from zone_store.run.reader import RunReader

#: A window that was asked to end has sealed its run by then.
_SEAL_S = 120.0


class Monitoring:
    """A running window. config: as in a configuration file, but that its runs go to a new folder under `folder`."""

    def __init__(self, inside: Namespace, folder: Path, config: Mapping[str, object]) -> None:
        self._runs = folder / "runs"
        self._out = folder / "monitor.out"
        path = folder / "window.toml"
        path.write_text(tomli_w.dumps(config))
        roots = [str(Path(__file__).resolve().parents[3]), os.environ.get("PYTHONPATH", "")]
        words = ["monitor", "-c", str(path), "--runs", str(self._runs)]
        with self._out.open("wb") as out:
            self._process = subprocess.Popen(  # noqa: S603 - our own command, no shell
                inside.command(sys.executable, "-m", "montra.cli.main", *words),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, roots))},
                start_new_session=True,
            )

    @property
    def run(self) -> Path:
        """The run folder; raises LabError when the window has made none."""
        runs = list(self._runs.iterdir()) if self._runs.exists() else []
        if len(runs) != 1:
            raise LabError(f"the window has made no run; it said: {self._said()}")
        return runs[0]

    def check(self) -> None:
        """Raise LabError if the window has ended by itself."""
        if self._process.poll() is not None:
            raise LabError(f"the window has ended (exit {self._process.returncode}); it said: {self._said()}")

    def attachments(self) -> list[Attachment]:
        """Return the attachments as far as they are stored, in the run or in the shards of its workers."""
        found: list[Attachment] = []
        try:
            for folder in shards_of(self.run) or [self.run]:
                with RunReader(folder) as reader:
                    found += reader.attachments()
        except (LabError, RunError, OSError, ValueError):  # it has only just begun
            return []
        return found

    def end(self) -> None:
        """End the window and wait until its run is sealed; raises LabError if it does not end as it should."""
        self.check()
        self._process.send_signal(signal.SIGINT)
        try:
            code = self._process.wait(_SEAL_S)
        except subprocess.TimeoutExpired:
            raise LabError(f"the window does not end; it said: {self._said()}") from None
        if code != 130:
            raise LabError(f"the window ended with exit code {code}; it said: {self._said()}")

    def kill(self) -> None:
        """End the window by force if it still runs."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def _said(self) -> str:
        lines = self._out.read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else "nothing"
