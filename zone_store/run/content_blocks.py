"""Blocks of contents: what one commit stores of them, as a msgpack array, schema version first, compressed.

Texts repeat (a word in the names of its files), so a block takes a fifth of its rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple
from typing import Annotated

import msgspec
import zstandard

from zone_store.contents import Content, What
from zone_store.run.folder import RunError, plain

CONTENT_SCHEMA = 1
#: Most bytes of a block when unpacked: a damaged one allocates no more.
MAX_BYTES = 1 << 28

_Time = Annotated[int, msgspec.Meta(ge=-(1 << 63), le=(1 << 63) - 1)]
_Number = Annotated[int, msgspec.Meta(ge=0, le=(1 << 32) - 1)]
_Port = Annotated[int, msgspec.Meta(ge=0, le=(1 << 16) - 1)]
_Size = Annotated[int, msgspec.Meta(ge=0, le=(1 << 63) - 1)]
_Row = tuple[_Time, _Number, _Number, _Port, What, bytes, bytes, _Size, str, tuple[tuple[str, str], ...]]

_ENCODER = msgspec.msgpack.Encoder(enc_hook=plain)
_SCHEMA = msgspec.msgpack.Decoder(tuple[int, msgspec.Raw])
_ROWS = msgspec.msgpack.Decoder(list[_Row])


def encode_contents(contents: Sequence[Content]) -> bytes:
    """Return contents as one block, in the order given; the same ones give the same bytes."""
    rows = _ENCODER.encode([CONTENT_SCHEMA, [astuple(content) for content in contents]])
    return zstandard.ZstdCompressor(level=3).compress(rows)


def decode_contents(block: bytes) -> list[Content]:
    """Return the contents of a block; raises RunError for bytes that are none."""
    try:
        if zstandard.frame_content_size(block) > MAX_BYTES:
            raise RunError("damaged contents: larger than any that are written")
        data = zstandard.ZstdDecompressor().decompress(block)
        schema, rows = _SCHEMA.decode(data)
        if schema != CONTENT_SCHEMA:
            raise RunError(f"contents of schema {schema}, this version reads {CONTENT_SCHEMA}")
        return [Content(*row) for row in _ROWS.decode(rows)]
    except (ValueError, RecursionError, zstandard.ZstdError) as error:
        raise RunError(f"damaged contents: {error}") from None
