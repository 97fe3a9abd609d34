"""Lookups as rows of the engine's schema."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from analysis.engine.database import SCHEMA


def table(rows: Sequence[dict[str, object]]) -> pa.Table:
    """Return rows with what they do not say being 0, "", a lookup of requester 1."""
    blank: dict[str, object] = dict.fromkeys(SCHEMA.names, 0)
    blank |= {"what": "lookup", "country": "", "requester": 1 << 16, "requester_ip": 1, "key": b""}
    return pa.Table.from_pylist([blank | row for row in rows], SCHEMA)
