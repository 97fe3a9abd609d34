"""The write side of a store: small commits become full blocks, at little cost, and a failed one changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from zone_store.captures import Captures, CrawlRow
from zone_store.run import environment, store
from zone_store.run.blocks import decode_captures, encode_captures
from zone_store.run.folder import CAPTURE_STORE, RunError
from zone_store.run.store import Batch, CaptureStore, StoreLimits

START_NS = 1_795_273_200_000_000_000

Make = Callable[..., Captures]


@pytest.fixture
def opened(tmp_path: Path) -> CaptureStore:
    made = CaptureStore(tmp_path, 20, StoreLimits(block_rows=64))
    yield made
    made.close()


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The rows of each block that is encoded."""
    rows: list[int] = []

    def encode(captures: Captures) -> bytes:
        rows.append(len(captures))
        return encode_captures(captures)

    monkeypatch.setattr(store, "encode_captures", encode)
    return rows


def blocks(opened: CaptureStore) -> list[tuple[int, int, list[int]]]:
    """Return first time after START_NS, sequence and source ports of each block that is stored."""
    found = []
    for key, value in environment.items(opened._env, opened._databases[environment.CAPTURES]):
        first_ns, sequence = environment.parse_time_key(key)
        found.append((first_ns - START_NS, sequence, decode_captures(value).source_port.tolist()))
    return found


def commit(opened: CaptureStore, captures: Captures) -> None:
    opened.commit(Batch([captures], rows=len(captures)))


def test_commits_of_a_row_become_blocks_of_64(opened: CaptureStore, captures_at: Make, encoded: list[int]) -> None:
    for row in range(200):
        commit(opened, captures_at([row], first_port=row))
        stored = blocks(opened)
        # All is on disk after each commit, in few blocks: one for each bit of the number of rows that fill none.
        assert sorted(port for _, _, ports in stored for port in ports) == list(range(row + 1))
        assert len(stored) == (row + 1) // 64 + ((row + 1) % 64).bit_count()
        assert (opened.totals.captures, opened.totals.blocks) == (row + 1, len(stored))
    assert blocks(opened) == [
        (0, 0, list(range(64))),
        (64, 1, list(range(64, 128))),
        (128, 2, list(range(128, 192))),
        (192, 3, list(range(192, 200))),
    ]
    # Each row once for each doubling of its block: 7 at most.
    assert sum(encoded) < 200 * 7
    assert sum(len(block.rows) for block in opened._open) == 8


def test_a_large_batch_is_cut_into_even_blocks(opened: CaptureStore, captures_at: Make) -> None:
    commit(opened, captures_at(range(10), first_port=0))
    commit(opened, captures_at(range(10, 210), first_port=10))
    assert [(first, sequence, len(ports)) for first, sequence, ports in blocks(opened)] == [
        (0, 0, 70),
        (70, 1, 70),
        (140, 2, 70),
    ]
    assert opened._open == []


def test_late_rows_find_their_place_in_the_open_block(opened: CaptureStore, captures_at: Make) -> None:
    commit(opened, captures_at([5, 9], first_port=0))
    commit(opened, captures_at([2, 9, 7], first_port=10))
    assert blocks(opened) == [(2, 0, [10, 0, 12, 1, 11])]
    assert opened.totals.last_ns == START_NS + 9


def test_records_alone_leave_the_blocks_as_they_are(opened: CaptureStore, captures_at: Make) -> None:
    commit(opened, captures_at([1], first_port=0))
    before = list(opened._open)
    opened.commit(Batch())
    assert opened._open == before
    commit(opened, captures_at([2], first_port=1))
    assert blocks(opened) == [(1, 0, [0, 1])]


def test_a_commit_that_fails_changes_nothing(
    opened: CaptureStore, captures_at: Make, crawl: Callable[[int], CrawlRow], monkeypatch: pytest.MonkeyPatch
) -> None:
    commit(opened, captures_at([1], first_port=0))
    commit(opened, captures_at([2, 3], first_port=1))
    before, totals, kept = blocks(opened), opened.totals, list(opened._open)

    def full(record: object) -> bytes:
        raise RunError("no more")

    monkeypatch.setattr(store, "encode_record", full)
    batch = Batch([captures_at([4], first_port=3)], crawls=[crawl(1)], rows=1)  # fails behind the blocks
    with pytest.raises(RunError, match="no more"):
        opened.commit(batch)
    assert (blocks(opened), opened.totals, opened._open) == (before, totals, kept)
    batch.crawls.clear()
    opened.commit(batch)
    assert blocks(opened) == [(1, 0, [0, 1, 2]), (4, 1, [3])]


def test_the_same_commits_give_the_same_bytes(tmp_path: Path, captures_at: Make) -> None:
    files = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        made = CaptureStore(tmp_path / name, 20, StoreLimits(block_rows=64))
        rng = np.random.default_rng(1)
        for first in range(0, 1000, 20):
            commit(made, captures_at(first + rng.permutation(20), first_port=first))
        made.close()
        files.append((tmp_path / name / CAPTURE_STORE / "data.mdb").read_bytes())
    assert files[0] == files[1]
