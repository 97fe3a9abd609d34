"""What a lab leaves behind beside its packets: who was there, with which keys, what was asked of them, how it went."""

from __future__ import annotations

from pathlib import Path

import msgspec

from montra.lab.kad.population import KadNode
from montra.lab.kad.settings import KadLabSettings, KadWorkload
from montra.lab.settings import LabError

SCHEMA = 1
#: Names of the files in the lab's folder.
RECORD_NAME, PACKETS_NAME = "kadlab.json", "packets.pcap"


class FileRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A file that was to be shared: its name, its ID (32 hex digits), bytes, keywords, indices of publishing nodes."""

    name: str
    hash: str
    size: int
    words: tuple[str, ...]
    publishers: tuple[int, ...]


class OrderRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A command. kind: "share", "search" or "download"; what: the file's or keyword's ID in hex; refusal: what
    amulecmd said where the daemon did not take it, else "".
    """

    t_ns: int
    index: int
    kind: str
    what: str
    refusal: str = ""


class KadRecord(msgspec.Struct, frozen=True, kw_only=True):
    """All of a lab. Times are nanoseconds since the epoch, of our clock.

    client: its release; started_ns: when the last daemon was started; went_ns, end_ns: of the workload, 0 = never;
    cpu_s: of all daemons during the workload; unread: packets that a daemon's socket had no room for; unseen: packets
    that the recorder missed.
    """

    schema: int
    settings: KadLabSettings
    workload: KadWorkload | None
    client: str
    nodes: tuple[KadNode, ...]
    files: tuple[FileRecord, ...]
    words: tuple[str, ...]
    orders: tuple[OrderRecord, ...]
    started_ns: int
    went_ns: int
    end_ns: int
    cpu_s: float
    unread: int
    unseen: int


def write_record(folder: Path, record: KadRecord) -> None:
    """Write it into the lab's folder."""
    (folder / RECORD_NAME).write_bytes(msgspec.json.format(msgspec.json.encode(record, enc_hook=str), indent=1))


def read_record(folder: Path) -> KadRecord:
    """Read it; raises LabError in one line where it is missing, damaged or of another schema."""
    path = folder / RECORD_NAME
    try:
        record = msgspec.json.decode(path.read_bytes(), type=KadRecord, dec_hook=_decode)
    except OSError as error:
        raise LabError(f"cannot read {path}: {error.strerror}") from error
    except msgspec.MsgspecError as error:
        raise LabError(f"{path}: {error}") from error
    if record.schema != SCHEMA:
        raise LabError(f"{path} has schema {record.schema}, this version reads {SCHEMA}")
    return record


def _decode(kind: type, value: object) -> object:
    if kind is Path and isinstance(value, str):
        return Path(value)
    raise NotImplementedError
