"""What the processes of a window say to each other, as bytes of a stream: length (4 bytes, big-endian), then msgpack.

Both ends are ours, and still nothing is believed: frames are bounded, types and IDs' places are checked, and whatever
does not fit raises MessageError, which ends the connection and with it the worker.
"""

from __future__ import annotations

from typing import Annotated, Any, Generic, TypeVar

import msgspec

#: Longest frame, and news in one: so many fit however long the datagrams were that they come from.
MAX_FRAME = 1 << 20
MAX_NEWS = 256
_LENGTH = 4

_Ip = Annotated[int, msgspec.Meta(ge=0, le=(1 << 32) - 1)]
_Port = Annotated[int, msgspec.Meta(ge=0, le=(1 << 16) - 1)]
_Time = Annotated[int, msgspec.Meta(ge=0, le=(1 << 63) - 1)]
_Count = Annotated[int, msgspec.Meta(ge=0)]
_Contact = tuple[bytes, _Ip, _Port]


class MessageError(Exception):
    """A stream that is none of ours."""


class Found(msgspec.Struct, array_like=True, tag=1, frozen=True):
    """A node answers at this address (crawler.events.NodeFound, or a change within one worker's sector)."""

    node_id: bytes
    ip: _Ip
    port: _Port
    version: bytes


class Changed(msgspec.Struct, array_like=True, tag=2, frozen=True):
    """The node at this address has another ID; `ours` tells whether the new one is this worker's."""

    old_id: bytes
    node_id: bytes
    ip: _Ip
    port: _Port
    ours: bool


class Gone(msgspec.Struct, array_like=True, tag=3, frozen=True):
    """The crawl lost a node."""

    node_id: bytes
    ip: _Ip
    port: _Port


class View(msgspec.Struct, array_like=True, tag=4, frozen=True):
    """Whom a node hands out near its own ID, as far as they are ours: (ID, ip, port) each."""

    node_id: bytes
    ip: _Ip
    port: _Port
    own: tuple[_Contact, ...]


News = Found | Changed | Gone | View


class Begin(msgspec.Struct, array_like=True, tag=10, frozen=True):
    """The first order: what to hold.

    config: of the whole run, as builtins; slot: which of the `processes.workers` shares; generation: how many workers
    had it before; seed: of the run; folder: the shard's; epoch_ns: of the run's clock; begin_ns: of the window.
    """

    config: dict[str, Any]
    slot: _Count
    generation: _Count
    seed: _Count
    folder: str
    epoch_ns: int
    begin_ns: _Time


class Tell(msgspec.Struct, array_like=True, tag=11, frozen=True):
    """News of the crawl."""

    news: list[News]


class Seal(msgspec.Struct, array_like=True, tag=12, frozen=True):
    """The window is over."""

    exit: str


Order = Begin | Tell | Seal


class Ready(msgspec.Struct, array_like=True, tag=20, frozen=True):
    """Sockets and store are open."""


class Probes(msgspec.Struct, array_like=True, tag=21, frozen=True):
    """Nodes that the crawler should ask for a view: (ip, port, ID) each."""

    wanted: list[tuple[_Ip, _Port, bytes]]


class Status(msgspec.Struct, array_like=True, tag=22, frozen=True):
    """Sign of life. durable_ns: all captured before is on disk; states: monitors by state; counters: totals."""

    durable_ns: _Time
    states: dict[str, int]
    captures: _Count
    counters: dict[str, int]


class Sealing(msgspec.Struct, array_like=True, tag=23, frozen=True):
    """The last status; from now on nothing is said while the shard is written and summed up."""

    last: Status


class Failed(msgspec.Struct, array_like=True, tag=24, frozen=True):
    """The worker cannot go on, and another in its place could not either: no disk, no address."""

    reason: str


Report = Ready | Probes | Status | Sealing | Failed

Message = TypeVar("Message")


def encode(message: Order | Report) -> bytes:
    """Return the frame of a message; raises MessageError for one that is too long."""
    body = msgspec.msgpack.encode(message)
    if len(body) > MAX_FRAME:
        raise MessageError(f"a message of {len(body)} bytes, at most {MAX_FRAME} are sent")
    return len(body).to_bytes(_LENGTH, "big") + body


class Decoder(Generic[Message]):
    """Cuts a stream into messages of a union type; holds at most one frame and what came with it."""

    def __init__(self, kind: Any) -> None:
        self._decoder: msgspec.msgpack.Decoder[Message] = msgspec.msgpack.Decoder(kind)
        self._held = bytearray()

    def feed(self, data: bytes) -> list[Message]:
        """Return the messages that are whole now; raises MessageError, after which nothing more can be read."""
        self._held += data
        found: list[Message] = []
        at = 0
        while len(self._held) - at >= _LENGTH:
            length = int.from_bytes(self._held[at : at + _LENGTH], "big")
            if length > MAX_FRAME:
                raise MessageError(f"a frame of {length} bytes, at most {MAX_FRAME} are read")
            if len(self._held) - at < _LENGTH + length:
                break
            body = self._held[at + _LENGTH : at + _LENGTH + length]
            try:
                found.append(self._decoder.decode(body))
            except (ValueError, RecursionError) as error:  # msgspec's own, and that of text which is not UTF-8
                raise MessageError(f"a frame that is no message: {error}") from None
            at += _LENGTH + length
        del self._held[:at]
        return found


def orders() -> Decoder[Order]:
    """Return a decoder of what a worker is told."""
    return Decoder(Order)


def reports() -> Decoder[Report]:
    """Return a decoder of what a worker says."""
    return Decoder(Report)
