"""A stream between two processes under gevent's hub: nobody ever waits for the other end."""

from __future__ import annotations

import socket
from collections.abc import Callable

import gevent

_READ, _WRITE = 1, 2
_CHUNK = 1 << 16
#: Reads and frames in a row before others have their turn.
_TURNS = 16


class Pipe:
    """One end of a socket pair.

    received: called with what arrived; more: called for the next bytes to send whenever the last ones are gone, b"" for
    none at present; ended: called once, when the other end is closed or one of these raised. So what waits to be
    sent waits with its owner, who knows what of it is outdated, and here is one frame at most.
    """

    def __init__(
        self,
        end: socket.socket,
        received: Callable[[bytes], None],
        more: Callable[[], bytes],
        ended: Callable[[Exception | None], None],
    ) -> None:
        end.setblocking(False)
        self._end = end
        self._received, self._more, self._ended = received, more, ended
        self._out = b""
        self._open = True
        loop = gevent.get_hub().loop
        self._reader = loop.io(end.fileno(), _READ)
        self._writer = loop.io(end.fileno(), _WRITE)
        self._reader.start(self._guard, self._read)

    def wake(self) -> None:
        """There is more to send."""
        if self._open:
            self._writer.start(self._guard, self._write)

    def release(self) -> bytes:
        """Leave this end to its owner, still open; returns what of the last frame is not yet sent."""
        if self._open:
            self._open = False
            for watcher in (self._reader, self._writer):
                watcher.stop()
                watcher.close()
        rest, self._out = self._out, b""
        return rest

    def finish(self) -> None:
        """Read what the other end, which is no more, has left; then close."""
        for _ in range(_TURNS):
            if not self._open:
                break
            self._guard(self._read)
        self.close()

    def close(self) -> None:
        """Close this end; harmless when closed. `ended` is not called."""
        self.release()
        self._end.close()

    def _guard(self, callback: Callable[[], bool]) -> None:
        """Run a callback of the hub, where an exception would only be printed."""
        if not self._open:
            return
        error: Exception | None = None
        try:
            if callback():
                return
        except Exception as failure:
            error = failure
        if self._open:
            self.release()
            self._ended(error)

    def _read(self) -> bool:
        """Read what is there; False at the end of the stream."""
        for _ in range(_TURNS):
            try:
                data = self._end.recv(_CHUNK)
            except BlockingIOError:
                return True
            except ConnectionError:
                return False
            if not data:
                return False
            self._received(data)
            if not self._open:
                return True
        return True

    def _write(self) -> bool:
        """Send what there is until the other end cannot take more; False if it is gone."""
        for _ in range(_TURNS):
            self._out = self._out or self._more()
            if not self._out:
                self._writer.stop()
                return True
            try:
                sent = self._end.send(self._out)
            except BlockingIOError:
                return True
            except ConnectionError:
                return False
            self._out = self._out[sent:]
        return True
