"""The small records of a store (attachments, crawls, losses) as msgpack arrays, schema version first.

Attachments are written in schema 2; those of schema 1, which end before the target's version, are still read.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Annotated, Any

import msgspec

from zone_store.captures import Attachment, CrawlRow, Loss
from zone_store.run.folder import RunError, plain

RECORD_SCHEMA = 1
ATTACHMENT_SCHEMA = 2

_ENCODER = msgspec.msgpack.Encoder(enc_hook=plain)
# Bounds that let every number go into the columns and keys it is meant for.
_Time = Annotated[int, msgspec.Meta(ge=-(1 << 63), le=(1 << 63) - 1)]
_Number = Annotated[int, msgspec.Meta(ge=0, le=(1 << 32) - 1)]
_Port = Annotated[int, msgspec.Meta(ge=0, le=(1 << 16) - 1)]
_Status = Annotated[int, msgspec.Meta(ge=0, le=(1 << 8) - 1)]
_Intervals = tuple[tuple[_Time, _Time], ...]
_ATTACHMENT_1 = msgspec.msgpack.Decoder(
    tuple[int, _Number, bytes, _Number, _Port, bytes, _Number, _Port, _Time, _Time, _Time, _Intervals, _Time, str]
)
_ATTACHMENT: msgspec.msgpack.Decoder[Any] = msgspec.msgpack.Decoder(
    tuple[
        int,
        _Number,
        bytes,
        _Number,
        _Port,
        bytes,
        _Number,
        _Port,
        _Time,
        _Time,
        _Time,
        _Intervals,
        _Time,
        str,
        _Number,
        _Status,
    ]
)
#: How an attachment of schema 1 begins: an array of 14 items, the first of which is 1.
_SCHEMA_1 = b"\x9e\x01"
_CRAWL = msgspec.msgpack.Decoder(
    tuple[int, _Number, _Time, _Time, int, int, int, int, int, int, int, float, float, float, float]
)
_LOSS = msgspec.msgpack.Decoder(tuple[int, str, _Time, _Time, int])


def encode_record(record: Attachment | CrawlRow | Loss) -> bytes:
    """Return a record as bytes: the schema, then its fields in order."""
    schema = ATTACHMENT_SCHEMA if isinstance(record, Attachment) else RECORD_SCHEMA
    return _ENCODER.encode([schema, *(getattr(record, field.name) for field in fields(record))])


def decode_attachment(data: bytes) -> Attachment:
    """Return the attachment of a record; raises RunError."""
    if data[:2] == _SCHEMA_1:
        return Attachment(*_decode(_ATTACHMENT_1, 1, data, "attachment")[1:])
    return Attachment(*_decode(_ATTACHMENT, ATTACHMENT_SCHEMA, data, "attachment")[1:])


def decode_crawl(data: bytes) -> CrawlRow:
    """Return the crawl of a record; raises RunError."""
    return CrawlRow(*_decode(_CRAWL, RECORD_SCHEMA, data, "crawl")[1:])


def decode_loss(data: bytes) -> Loss:
    """Return the ledger row of a record; raises RunError."""
    return Loss(*_decode(_LOSS, RECORD_SCHEMA, data, "ledger")[1:])


def _decode(decoder: msgspec.msgpack.Decoder[Any], schema: int, data: bytes, what: str) -> tuple[Any, ...]:
    try:
        values: tuple[Any, ...] = decoder.decode(data)
    except ValueError as error:  # msgspec's own, and that of text which is not UTF-8
        raise RunError(f"damaged {what} record: {error}") from None
    if values[0] != schema:
        raise RunError(f"{what} record of schema {values[0]}, this version reads up to {schema}")
    return values
