"""Small runs with known contents."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from analysis.attachments import Attachments
from analysis.given import Given
from analysis.load import Run
from zone_store.attribution import attribute_into
from zone_store.captures import Attachment, Captures, CrawlRow, Flag, Kind, Loss
from zone_store.run.folder import Manifest
from zone_store.run.reader import RunReader
from zone_store.run.writer import RunWriter

SECOND = 1_000_000_000
START_NS = 1_795_273_200 * SECOND  # 2026-11-21 15:00:00 UTC
MINUTE = 60 * SECOND

KEY_A, KEY_B, KEY_C = (bytes([0xA4, n]) + bytes(18) for n in (1, 2, 3))
TARGETS = [bytes([0xA4, n << 4]) + bytes(18) for n in range(4)]


@dataclass
class Contents:
    """What a run shall hold; captures are (seconds, attachment, source, key, kind, version, flags)."""

    captures: list[tuple[float, int, tuple[int, int], bytes, int, int, int]] = field(default_factory=list)
    attachments: list[Attachment] = field(default_factory=list)
    crawls: list[CrawlRow] = field(default_factory=list)
    losses: list[Loss] = field(default_factory=list)
    seal: bool = True
    exit: str = "done"
    minutes: int = 10
    overlay: str = "mainline"


def at(seconds: float) -> int:
    """Return the time so long after the start."""
    return START_NS + int(seconds * SECOND)


def attachment(number: int, target: bytes, found: float = 0, lost: float = 0, reason: str = "") -> Attachment:
    """Return an attachment accepted 2 s and visible 4 s after it was found."""
    return Attachment(
        number,
        target,
        0x7F000001,
        1000 + number,
        target[:19] + b"\x01",
        0x7F000002,
        2000 + number,
        at(found),
        at(found + 1),
        at(found + 2),
        ((at(found + 4), 0),),
        at(lost) if lost else 0,
        reason,
    )


def captures_of(rows: list[tuple[float, int, tuple[int, int], bytes, int, int, int]]) -> Captures:
    width = len(rows[0][3])

    def ids(values: list[bytes]) -> np.ndarray:
        return np.frombuffer(b"".join(values), np.uint8).reshape(len(rows), width)

    return Captures(
        np.array([at(r[0]) for r in rows], np.int64),
        np.array([r[1] for r in rows], np.uint32),
        np.array([r[2][0] for r in rows], np.uint32),
        np.array([r[2][1] for r in rows], np.uint16),
        ids([r[2][1].to_bytes(width, "big") for r in rows]),  # each source has an ID of its own
        ids([r[3] for r in rows]),
        np.array([r[4] for r in rows], np.uint8),
        np.array([r[6] for r in rows], np.uint16),
        np.array([r[5] for r in rows], np.uint32),
        np.zeros(len(rows), np.uint16),
    )


def make_run(folder: Path, contents: Contents) -> Path:
    """Write a run and attribute it."""
    folder.mkdir(parents=True)
    manifest = Manifest(
        montra_version="0.1.0",
        overlay=contents.overlay,
        zone="a4/6",
        id_bits=160 if contents.overlay == "mainline" else 128,
        start_ns=START_NS,
        versions={"python": "3.11"},
        git="v0-<i>",
    )
    with RunWriter(folder, manifest, "") as writer:
        for one in contents.attachments:
            writer.attachment(one)
        for crawl in contents.crawls:
            writer.crawl(crawl)
        for loss in contents.losses:
            writer.loss(loss)
        if contents.captures:
            writer.captures(captures_of(contents.captures))
        if contents.seal:
            writer.seal(START_NS + contents.minutes * MINUTE, contents.exit)
        else:
            writer.flush()
    with RunReader(folder) as reader:
        attribute_into(folder, reader, span_ns=MINUTE, refresh_bits=96)
    return folder


ALICE, BOB, CAROL = (0x0A000001, 6881), (0x0A000001, 6882), (0x0A000003, 6881)
LT, EVIL = 0x4C540210, 0x3C623E22


def sample() -> Contents:
    """Ten minutes: 5 lookups, 1 announce, 1 node lookup, 1 bootstrap, at 3 of 4 nodes."""
    look, announce, node = int(Kind.LOOKUP), int(Kind.ANNOUNCE), int(Kind.NODE_LOOKUP)
    return Contents(
        captures=[
            (60, 1, ALICE, KEY_A, look, LT, int(Flag.NO_SEED)),
            (61, 2, ALICE, KEY_A, look, LT, 0),
            (62, 1, ALICE, KEY_A, announce, LT, 0),
            (70, 1, BOB, KEY_A, look, LT, 0),
            (130, 2, CAROL, KEY_A, look, EVIL, 0),
            (300, 1, ALICE, KEY_A, look, LT, 0),  # again, more than a minute later
            (310, 1, CAROL, KEY_B, look, EVIL, 0),
            (310, 3, CAROL, KEY_B, look, EVIL, 0),
            (311, 1, CAROL, KEY_B, look, EVIL, 0),
            (400, 1, BOB, KEY_C, node, 0, 0),
            (410, 1, BOB, KEY_C, look, 0, int(Flag.BOOTSTRAP)),
        ],
        attachments=[
            attachment(1, TARGETS[0]),
            attachment(2, TARGETS[1]),
            attachment(3, TARGETS[2], 0, 400, "silent"),
            attachment(4, TARGETS[3], 590, 600, "sealed"),
        ],
        crawls=[
            CrawlRow(1, at(0), at(60), 4, 3, 3, 0, 0, 12, 9, 0.0, 0.0, 0.0, 0.0),
            CrawlRow(2, at(60), at(120), 4, 4, 1, 0, 0, 12, 12, 5.0, 0.8, 0.7, 0.9),
            CrawlRow(3, at(120), at(300), 4, 4, 0, 0, 0, 12, 12, 4.0, 1.0, 0.9, 1.0),
        ],
        losses=[
            Loss("crawl_timeout", at(0), at(10), 3),
            Loss("crawl_timeout", at(20), at(30), 4),
            Loss("kernel_drops", at(5), at(6), 2),
            Loss("not_running", at(480), at(540), 60),
            Loss("<script>name", at(1), at(2), 1),
        ],
    )


def version_name(version: int) -> str:
    """Name versions as an overlay might, one with hostile text."""
    return {LT: "libtorrent 2.1", EVIL: '<img src=x onerror="alert(1)">$\\frac$', 0: "none"}.get(version, "other")


GIVEN = Given(version_name=version_name, caveats=(("Searched or published?", "get_peers does not say <which>."),))


def shown(_: Path) -> Given:
    """Return the same for any run."""
    return GIVEN


def run_of(contents: Contents) -> Run:
    """Return a `Run` of these contents, without a store."""
    manifest = Manifest(montra_version="0.1.0", overlay="mainline", zone="a4/6", start_ns=START_NS, sealed=True)
    end_ns = START_NS + contents.minutes * MINUTE
    return Run(
        name="run",
        manifest=manifest,
        start_ns=START_NS,
        end_ns=end_ns,
        gaps=(),
        captures=len(contents.captures),
        attachments=Attachments.of(contents.attachments, manifest.id_bytes, end_ns),
        crawls=tuple(contents.crawls),
        losses=tuple(contents.losses),
    )
