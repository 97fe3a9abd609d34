"""Capture and lookup blocks: tens of thousands of rows as one msgpack array, schema version first.

Written in schema 2 (`blocks_schema2`); blocks of schema 1 (`blocks_schema1`) are still read. Both begin with schema,
table (1 = captures, 3 = lookups), address family (4 = IPv4), rows and length of IDs.

The same rows always give the same bytes with the same version of the zstd library, which a run's manifest names.
Decoding checks everything it uses: no bytes make it raise anything but BlockError, or allocate more than `MAX_ROWS`
rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import zstandard
from numpy.typing import NDArray

from zone_store.captures import Captures, Lookups
from zone_store.run import blocks_schema1, blocks_schema2
from zone_store.run.block_tables import CAPTURES, LOOKUPS, MAX_ROWS, BlockError, Table

__all__ = [
    "BLOCK_SCHEMA",
    "CODEC",
    "MAX_ROWS",
    "BlockError",
    "decode_captures",
    "decode_lookups",
    "encode_captures",
    "encode_lookups",
]

BLOCK_SCHEMA = blocks_schema2.SCHEMA
#: Version of the compressing library, on which the bytes of a block depend.
CODEC = ".".join(map(str, zstandard.ZSTD_VERSION))

_DECODERS: Mapping[int, Callable[[Table, bytes], dict[str, NDArray[Any]]]] = {
    blocks_schema1.SCHEMA: blocks_schema1.decode,
    blocks_schema2.SCHEMA: blocks_schema2.decode,
}


def encode_captures(captures: Captures) -> bytes:
    """Return one block of captures; raises BlockError for columns that do not fit each other or too many rows."""
    return blocks_schema2.encode(CAPTURES, captures)


def decode_captures(block: bytes) -> Captures:
    """Return the captures of a block, in the order they were given; raises BlockError."""
    return Captures(**_decode(CAPTURES, block))


def encode_lookups(lookups: Lookups) -> bytes:
    """Return one block of lookups; raises BlockError for columns that do not fit each other or too many rows."""
    return blocks_schema2.encode(LOOKUPS, lookups)


def decode_lookups(block: bytes) -> Lookups:
    """Return the lookups of a block, in the order they were given; raises BlockError."""
    return Lookups(**_decode(LOOKUPS, block))


def _decode(table: Table, data: bytes) -> dict[str, NDArray[Any]]:
    # A fixarray whose first item is the schema as a small integer: told apart before the rest is looked at.
    if len(data) < 2 or data[0] & 0xF0 != 0x90:
        raise BlockError("no block: not a msgpack array")
    decode = _DECODERS.get(data[1])
    if decode is None:
        raise BlockError(f"block schema {data[1]}, this version reads {' and '.join(map(str, _DECODERS))}")
    return decode(table, data)
