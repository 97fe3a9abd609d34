"""The small records of a store (attachments, crawls, losses) as msgpack arrays, schema version first."""

from __future__ import annotations

from dataclasses import fields
from typing import Annotated, Any

import msgspec

from zone_store.captures import Attachment, CrawlRow, Loss
from zone_store.run.folder import RunError, plain

RECORD_SCHEMA = 1

_ENCODER = msgspec.msgpack.Encoder(enc_hook=plain)
# Bounds that let every number go into the columns and keys it is meant for.
_Time = Annotated[int, msgspec.Meta(ge=-(1 << 63), le=(1 << 63) - 1)]
_Number = Annotated[int, msgspec.Meta(ge=0, le=(1 << 32) - 1)]
_Port = Annotated[int, msgspec.Meta(ge=0, le=(1 << 16) - 1)]
_Intervals = tuple[tuple[_Time, _Time], ...]
_ATTACHMENT = msgspec.msgpack.Decoder(
    tuple[int, _Number, bytes, _Number, _Port, bytes, _Number, _Port, _Time, _Time, _Time, _Intervals, _Time, str]
)
_CRAWL = msgspec.msgpack.Decoder(
    tuple[int, _Number, _Time, _Time, int, int, int, int, int, int, int, float, float, float, float]
)
_LOSS = msgspec.msgpack.Decoder(tuple[int, str, _Time, _Time, int])


def encode_record(record: Attachment | CrawlRow | Loss) -> bytes:
    """Return a record as bytes: the schema, then its fields in order."""
    return _ENCODER.encode([RECORD_SCHEMA, *(getattr(record, field.name) for field in fields(record))])


def decode_attachment(data: bytes) -> Attachment:
    """Return the attachment of a record; raises RunError."""
    return Attachment(*_decode(_ATTACHMENT, data, "attachment")[1:])


def decode_crawl(data: bytes) -> CrawlRow:
    """Return the crawl of a record; raises RunError."""
    return CrawlRow(*_decode(_CRAWL, data, "crawl")[1:])


def decode_loss(data: bytes) -> Loss:
    """Return the ledger row of a record; raises RunError."""
    return Loss(*_decode(_LOSS, data, "ledger")[1:])


def _decode(decoder: msgspec.msgpack.Decoder[Any], data: bytes, what: str) -> tuple[Any, ...]:
    try:
        values: tuple[Any, ...] = decoder.decode(data)
    except ValueError as error:  # msgspec's own, and that of text which is not UTF-8
        raise RunError(f"damaged {what} record: {error}") from None
    if values[0] != RECORD_SCHEMA:
        raise RunError(f"{what} record of schema {values[0]}, this version reads {RECORD_SCHEMA}")
    return values
