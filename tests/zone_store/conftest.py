"""What the run store's tests share: captures of literal times, and runs to write them into.

Test modules cannot import each other (importlib mode), so the makers are fixtures that hand out functions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from zone_store.captures import Attachment, Captures, CrawlRow, Kind, Loss
from zone_store.run.folder import Manifest
from zone_store.run.store import StoreLimits
from zone_store.run.writer import RunWriter

#: 2026-11-21T15:00:00Z
START_NS = 1_795_273_200_000_000_000


def _captures_at(times: Sequence[int], first_port: int = 1, attachments: Sequence[int] = (1,)) -> Captures:
    """Return captures at START_NS + times; the source port numbers the rows, the rest repeats as real traffic does."""
    n = len(times)
    row = np.arange(n)
    keys = np.random.default_rng(7).integers(0, 256, (5, 20), dtype=np.uint8)
    keys[:, 0] = 0xA4
    return Captures(
        START_NS + np.array(times, np.int64),
        np.array(attachments, np.uint32)[row % len(attachments)],
        (0x7F000001 + row % 3).astype(np.uint32),
        (first_port + row).astype(np.uint16),
        keys[row % 2],
        keys[row % 5],
        np.full(n, Kind.LOOKUP, np.uint8),
        np.zeros(n, np.uint16),
        np.full(n, 0x4C540201, np.uint32),
        np.zeros(n, np.uint16),
    )


def _attachment(number: int, byte: int = 0xA4) -> Attachment:
    target = bytes([byte]) + number.to_bytes(19, "big")
    return Attachment(number, target, 0x7F000001, 6881, target[:-1] + b"\xff", 0x7F000002, 20000, START_NS)


def _crawl(number: int) -> CrawlRow:
    return CrawlRow(number, START_NS, START_NS + 2_000_000_000, 120, 100, 5, 1, 2, 300, 280, 102.5, 0.97, 0.9, 1.0)


@pytest.fixture
def captures_at() -> Callable[..., Captures]:
    return _captures_at


@pytest.fixture
def attachment() -> Callable[..., Attachment]:
    return _attachment


@pytest.fixture
def crawl() -> Callable[[int], CrawlRow]:
    return _crawl


@pytest.fixture
def new_run(tmp_path: Path) -> Callable[..., RunWriter]:
    """Start a run: new_run("name", zone="a4/6", start_ns=..., limits=..., max_pending=...)."""

    def start(
        name: str = "run",
        zone: str = "a4/6",
        start_ns: int = START_NS,
        limits: StoreLimits | None = None,
        max_pending: int = 1_000_000,
        overlay: str = "mainline",
        config: str = "seed = 1\n",
    ) -> RunWriter:
        folder = tmp_path / name
        folder.mkdir()
        manifest = Manifest(montra_version="0.1.0", overlay=overlay, zone=zone, start_ns=start_ns)
        return RunWriter(folder, manifest, config, limits or StoreLimits(), max_pending)

    return start


@pytest.fixture
def sealed_run(new_run: Callable[..., RunWriter]) -> Path:
    """A sealed run of 10,000 captures in blocks of 1,000, two attachments, a crawl and a ledger row."""
    writer = new_run(limits=StoreLimits(block_rows=1000))
    writer.attachment(_attachment(1))
    writer.attachment(_attachment(2))
    writer.crawl(_crawl(1))
    writer.loss(Loss("rate_limited", START_NS, START_NS + 5, 3))
    writer.captures(_captures_at(range(10_000), attachments=(1, 2)))
    (writer.folder / "status.csv").write_text("time_ns\n1\n")
    (writer.folder / "log.jsonl").write_text("{}\n")
    writer.seal(START_NS + 10_000, "complete", {"captured": 10_000})
    return writer.folder
