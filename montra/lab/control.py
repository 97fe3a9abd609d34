"""Orders to the lab, as lines on a file descriptor: "go", "stop"; its end means that the parent is gone."""

from __future__ import annotations

import os
import select
import time

_READ_BYTES = 4096
_LONGEST_LINE = 1024


class Control:
    """Waits and listens at once. `fd` None: nobody to listen to.

    `going`, `stopping`: the order was given; `closed`: the descriptor's other end is gone.
    """

    def __init__(self, fd: int | None) -> None:
        self.going = False
        self.stopping = False
        self.closed = False
        self._fd = fd
        self._rest = b""

    @property
    def attended(self) -> bool:
        """Whether somebody is there to say stop."""
        return self._fd is not None and not self.closed

    def wait(self, seconds: float) -> None:
        """Let the time pass, or less if something is said; take it in."""
        fd = self._fd
        if fd is None or self.closed:
            time.sleep(seconds)
            return
        ready, _, _ = select.select([fd], [], [], seconds)
        if not ready:
            return
        said = os.read(fd, _READ_BYTES)
        self.closed = not said
        *lines, self._rest = (self._rest + said).split(b"\n")
        self._rest = self._rest[:_LONGEST_LINE]
        for line in lines:
            self.going |= line.strip() == b"go"
            self.stopping |= line.strip() == b"stop"
