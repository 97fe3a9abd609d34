"""Packets of a run in a file that any packet reader opens: pcap with nanoseconds, bare IPv4 packets."""

from __future__ import annotations

import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Self

from montra.lab.clients.namespace import Namespace
from montra.lab.clients.tap import Tap
from montra.lab.clients.wire import Packet, packet_of
from montra.lab.settings import LabError

# draft-ietf-opsawg-pcap: magic of nanosecond files, version 2.4, time zone, accuracy, snap length, LINKTYPE_RAW
_HEADER = struct.Struct("<IHHiIII")
_MAGIC, _RAW = 0xA1B23C4D, 101
_SNAP = 65535
_ROW = struct.Struct("<IIII")


class Recorder:
    """Writes each UDP packet that arrives on a namespace's loopback to a file until closed."""

    def __init__(self, inside: Namespace, path: Path) -> None:
        self._file = path.open("wb")
        self._file.write(_HEADER.pack(_MAGIC, 2, 4, 0, 0, _SNAP, _RAW))
        self._tap = Tap(inside, "lo", self._take)

    @property
    def dropped(self) -> int:
        """How many packets the kernel could not keep, known when closed."""
        return self._tap.dropped

    def close(self) -> None:
        """Stop, and finish the file; harmless when done."""
        self._tap.close()
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _take(self, data: bytes, sent: bool) -> None:
        del sent  # arrivals only: each packet on loopback once
        seconds, nanoseconds = divmod(time.time_ns(), 10**9)
        self._file.write(_ROW.pack(seconds, nanoseconds, len(data), len(data)) + data)


def read_packets(path: Path) -> Iterator[Packet]:
    """Yield the packets of a recorder's file; raises LabError where it is missing, another file or cut short."""
    try:
        with path.open("rb") as file:
            header = file.read(_HEADER.size)
            if len(header) < _HEADER.size or _HEADER.unpack(header)[::6] != (_MAGIC, _RAW):
                raise LabError(f"{path} is no packet file of a lab")
            while row := file.read(_ROW.size):
                if len(row) < _ROW.size:
                    raise LabError(f"{path} is cut short")
                seconds, nanoseconds, kept, _ = _ROW.unpack(row)
                data = file.read(kept)
                if len(data) < kept:
                    raise LabError(f"{path} is cut short")
                yield packet_of(seconds * 10**9 + nanoseconds, data)
    except OSError as error:
        raise LabError(f"cannot read {path}: {error.strerror}") from error
