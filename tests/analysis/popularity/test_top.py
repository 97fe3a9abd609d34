"""The keys asked for most."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.engine.database import Database
from analysis.popularity.top import top_of
from zone_store.captures import Flag

from ..lookups import table
from ..samples import KEY_A, KEY_B, KEY_C, Contents, run_of


def test_most_lookups_first_equals_by_key() -> None:
    rows = [
        {"key": KEY_B, "requester": 1, "flags": int(Flag.NO_SEED)},
        {"key": KEY_B, "requester": 1},
        {"key": KEY_C, "requester": 1},
        {"key": KEY_A, "requester": 2},
        {"key": KEY_A, "requester": 2, "what": "announce"},
        {"key": KEY_C, "requester": 3, "maintenance": 1},
    ]
    with Database.of(table(rows)) as db:
        top = top_of(db, run_of(Contents(minutes=2)))
        assert top_of(db, run_of(Contents()), most=1).keys.tolist() == [list(KEY_B)]
    assert [key.tobytes() for key in top.keys] == [KEY_B, KEY_A, KEY_C]
    assert top.counts["lookups"].tolist() == [2, 1, 1]
    assert top.counts["requesters"].tolist() == [1, 1, 1]
    assert top.rate_per_minute.tolist() == [1.0, 0.5, 0.5]
    assert top.share.tolist() == [0.5, 0.25, 0.25]
    written = top.table(False)
    assert np.asarray(written.column("no_seed_share")).tolist() == [0.5, 0, 0]
    assert np.asarray(written.column("announces")).tolist() == [0, 1, 0]
    assert written.people == "requesters"
    with pytest.raises(KeyError):
        top.table(True).column("announces")


def test_nothing_gives_nothing() -> None:
    with Database.of(table([])) as db:
        top = top_of(db, run_of(Contents()))
    assert (len(top.keys), top.lookups, len(top.table(False))) == (0, 0, 0)
