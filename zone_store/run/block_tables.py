"""What blocks hold: the columns of captures and of lookups, and how schema 2 writes each of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from zone_store.captures import Captures, Lookups

FAMILY_IPV4 = 4
#: Rows a block may hold; bounds what a damaged block can make the decoder allocate.
MAX_ROWS = 1 << 20
MAX_ID_BYTES = 64


class BlockError(ValueError):
    """Bytes that are no block of a schema this version reads, or rows that fit none."""


class Form(Enum):
    """What of a column is written."""

    VALUES = 0
    STEPS = 1  # int64: the difference to the row before
    SINCE_TIME = 2  # int64: the difference to `time_ns` of the same row


@dataclass(frozen=True, slots=True)
class Table:
    """The columns of one kind of block.

    columns: name -> dtype, None for IDs (rows of uint8), in the order of the dataclass's fields; forms: of those that
    are not written as values; shared: those that all copies of one lookup share, which are written once for them;
    former: numbers of the table in earlier versions, with other columns.
    """

    number: int
    columns: Mapping[str, str | None]
    forms: Mapping[str, Form] = field(default_factory=dict)
    shared: frozenset[str] = frozenset()
    former: frozenset[int] = frozenset()

    def id_bytes(self, source: Captures | Lookups) -> int:
        """Return the length of IDs of a table that fits these columns; raises BlockError for one that does not."""
        rows = len(source)
        if rows > MAX_ROWS:
            raise BlockError(f"{rows} rows in one block, {MAX_ROWS} at most")
        id_bytes = int(source.key.shape[1])
        if not 0 < id_bytes <= MAX_ID_BYTES:
            raise BlockError(f"IDs of {id_bytes} bytes")
        for name, kind in self.columns.items():
            column = getattr(source, name)
            shape = (rows, id_bytes) if kind is None else (rows,)
            if column.shape != shape or (kind is None and column.dtype.str != "|u1"):
                raise BlockError(f"column {name}: {column.dtype}{column.shape}, not {shape}")
        return id_bytes

    def check(self, number: int, family: int, rows: int, id_bytes: int) -> None:
        """Raise BlockError unless these are the header of one of this table's blocks."""
        if number in self.former:
            raise BlockError("written by an older version; analyze the run again")
        if number != self.number:
            raise BlockError(f"block of table {number}, not {self.number}")
        if family != FAMILY_IPV4:
            raise BlockError(f"address family {family}, this version reads {FAMILY_IPV4}")
        if not 0 <= rows <= MAX_ROWS or not 0 < id_bytes <= MAX_ID_BYTES:
            raise BlockError(f"block of {rows} rows with IDs of {id_bytes} bytes")


CAPTURES = Table(
    1,
    {
        "time_ns": "<i8",
        "attachment": "<u4",
        "source_ip": "<u4",
        "source_port": "<u2",
        "requester_id": None,
        "key": None,
        "kind": "|u1",
        "flags": "<u2",
        "version": "<u4",
        "port": "<u2",
    },
    {"time_ns": Form.STEPS},
    frozenset({"source_ip", "source_port", "requester_id", "key", "kind", "flags", "version", "port"}),
)
#: 2 had no inferred destination.
LOOKUPS = Table(
    3,
    {
        "time_ns": "<i8",
        "last_ns": "<i8",
        "source_ip": "<u4",
        "source_port": "<u2",
        "requester_id": None,
        "key": None,
        "kind": "|u1",
        "flags": "<u2",
        "version": "<u4",
        "copies": "<u2",
        "packets": "<u4",
        "destination": "<u4",
        "closest": "<u4",
        "rank": "<u2",
        "margin": "<f4",
        "maintenance": "|u1",
        "inferred": "<u4",
        "confidence": "<f4",
    },
    {"time_ns": Form.STEPS, "last_ns": Form.SINCE_TIME},
    former=frozenset({2}),
)
