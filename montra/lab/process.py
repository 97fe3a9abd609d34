"""A lab as a child process, for whoever runs one beside a measurement: start it, follow its truth, end it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from montra.lab.events import LOG_NAME, Converged, Done, Event, Ready, decode_event
from montra.lab.settings import LabError, LabSettings

#: Time to end in order; closing a node takes 2 ms.
_EXIT_S = 10.0


class LabProcess:
    """A running `python -m montra.lab`. Nothing here waits but `close`.

    within: words before the lab's command, such as `ip netns exec NAME`; what they name must become the lab itself.
    ready, converged, done: these events of the lab, None until `poll` has seen them. The child ends when this object is
    closed, or when this process dies and with it the pipe.
    """

    def __init__(self, settings: LabSettings, within: Sequence[str] = ()) -> None:
        self.ready: Ready | None = None
        self.converged: Converged | None = None
        self.done: Done | None = None
        self._out = Path(settings.out)
        self._offset = 0
        self._out.mkdir(parents=True, exist_ok=True)
        config = self._out / "lab.json"
        config.write_bytes(msgspec.json.encode(settings))
        self._errors = self._out / "lab.stderr"
        # montra may be run from a checkout that is no installed package
        roots = [str(Path(__file__).resolve().parents[2]), os.environ.get("PYTHONPATH", "")]
        with self._errors.open("wb") as errors:
            # a session of its own: an interrupt at the terminal is for the parent, which then ends the lab in order
            self._child = subprocess.Popen(  # noqa: S603 (our own module, no shell)
                [*within, sys.executable, "-m", "montra.lab", str(config)],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, roots))},
                start_new_session=True,
                bufsize=0,
            )

    @property
    def pid(self) -> int:
        """Process ID of the lab."""
        return self._child.pid

    def poll(self) -> list[Event]:
        """Return what the lab wrote since the last call; raises LabError when it ended before its workload was done."""
        ended = self._child.poll() is not None
        events = self._follow()
        for event in events:
            if isinstance(event, Ready):
                self.ready = event
            elif isinstance(event, Converged):
                self.converged = event
            elif isinstance(event, Done):
                self.done = event
        if ended and (self.done is None or self._child.returncode):
            said = self._errors.read_text(encoding="utf-8", errors="replace").strip()
            raise LabError(said.splitlines()[-1] if said else f"the lab ended (exit {self._child.returncode})")
        return events

    def go(self) -> None:
        """Start the workload; raises LabError if the lab is gone."""
        pipe = self._child.stdin
        try:
            if pipe is not None:
                pipe.write(b"go\n")
        except BrokenPipeError:
            raise LabError("the lab has ended") from None

    def close(self) -> None:
        """End the lab, by force if it does not end in order; harmless when it has ended."""
        pipe = self._child.stdin
        if pipe is not None:
            pipe.close()
        try:
            self._child.wait(_EXIT_S)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _follow(self) -> list[Event]:
        try:
            with (self._out / LOG_NAME).open("rb") as file:
                file.seek(self._offset)
                data = file.read()
        except FileNotFoundError:
            return []
        whole = data[: data.rfind(b"\n") + 1]
        self._offset += len(whole)
        return [decode_event(line) for line in whole.splitlines()]
