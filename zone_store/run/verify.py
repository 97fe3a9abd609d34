"""Checking a run folder from the outside in: sums, structure of the database file, every block, every count.

LMDB maps its file and trusts it: a damaged page can crash the process that reads it. So nothing is read through the
engine before the `lmdb` package's own verifier, which walks the bytes without it, found the structure sound.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import lmdb
import numpy as np
from lmdb.verify import VerifyError
from lmdb.verify import verify as walk_pages

from zone_store.captures import Captures
from zone_store.run.blocks import BlockError, decode_captures
from zone_store.run.canaries import read_canaries
from zone_store.run.folder import (
    CAPTURE_STORE,
    LOOKUP_STORE,
    Manifest,
    RunError,
    file_digest,
    lock_folder,
    read_manifest,
)
from zone_store.run.reader import RunReader
from zone_store.run.seal import REQUIRED, STORE_FILE, read_sums

# Problems told one by one; a damaged store can have one for each of a million blocks.
_MAX_PROBLEMS = 50

_T = TypeVar("_T")


@dataclass(slots=True)
class VerifyReport:
    """What `verify` found. ok: no problem (an unsealed run can be ok); counts are of what could be read.

    problems: one line each, the first ones; live: a writer is at work, so the file's structure was not walked.
    """

    ok: bool = True
    problems: list[str] = field(default_factory=list)
    captures: int = 0
    attachments: int = 0
    crawls: int = 0
    contents: int = 0
    blocks: int = 0
    lookups: int = 0
    canaries: int = 0
    sealed: bool = False
    live: bool = False
    more_problems: int = 0

    def problem(self, text: str) -> None:
        """Add a problem."""
        self.ok = False
        if len(self.problems) < _MAX_PROBLEMS:
            self.problems.append(text)
        else:
            self.more_problems += 1


def verify(folder: Path) -> VerifyReport:
    """Check all of a run folder, lookups.lmdb too if it is there; never raises for damage.

    What is wrong with lookups.lmdb is a problem that says so: it can be made again from the captures. Reads all stores
    once, in the memory of a few blocks and the attachments.
    """
    report = VerifyReport()
    manifest = _tried(report, lambda: read_manifest(folder))
    if manifest is None:
        return report
    report.sealed = manifest.sealed
    if manifest.sealed:
        _check_sums(report, folder)
    lock = _quiet_lock(folder)
    report.live = lock is None
    try:
        if report.live or _check_structure(report, folder):
            reader = _tried(report, lambda: RunReader(folder))
            if reader is not None:
                with reader:
                    _check_rows(report, reader, manifest)
                    _tried(report, lambda: _count_canaries(report, folder))
                    if (folder / LOOKUP_STORE).exists():
                        _check_lookups(report, reader)
    finally:
        if lock is not None:
            os.close(lock)
    return report


def stat(folder: Path) -> dict[str, Any]:
    """Return what a run holds, ready for JSON, without reading its captures; raises RunError.

    Times are ISO 8601 in UTC, "" for none; `losses` sums the ledger by name.
    """
    with RunReader(folder) as reader:
        manifest, totals = reader.manifest, reader.totals()
        losses: dict[str, int] = {}
        for loss in reader.losses():
            losses[loss.name] = losses.get(loss.name, 0) + loss.count
        captures, store_bytes = totals.get("captures", 0), (folder / STORE_FILE).stat().st_size
        first = next((first_ns for first_ns, _, _ in reader.capture_blocks()), 0)
        return {
            "run": folder.resolve().name,
            "overlay": manifest.overlay,
            "zone": manifest.zone,
            "sealed": manifest.sealed,
            "exit": manifest.exit,
            "start": _iso(manifest.start_ns),
            "end": _iso(manifest.end_ns),
            "captures": captures,
            "blocks": totals.get("blocks", 0),
            "attachments": len(reader.attachments()),
            "crawls": len(reader.crawls()),
            "contents": totals.get("contents", 0),
            "first_capture": _iso(first),
            "last_capture": _iso(totals.get("last_ns", 0)),
            "store_bytes": store_bytes,
            "bytes_per_capture": round(store_bytes / captures, 2) if captures else 0.0,
            "losses": losses,
            "counters": dict(manifest.counters),
        }


def _check_sums(report: VerifyReport, folder: Path) -> None:
    sums = _tried(report, lambda: read_sums(folder))
    if sums is None:
        return
    for name in REQUIRED:
        if name not in sums:
            report.problem(f"SHA256SUMS does not list {name}")
    for name, digest in sums.items():
        try:
            if file_digest(folder / name) != digest:
                report.problem(f"{name} is not what was sealed: its SHA-256 differs")
        except OSError as error:
            report.problem(f"{name} cannot be read: {error.strerror}")


def _count_canaries(report: VerifyReport, folder: Path) -> None:
    for _ in read_canaries(folder):
        report.canaries += 1


def _quiet_lock(folder: Path) -> int | None:
    """Keep writers out while the file is walked; None when one is at work."""
    try:
        return lock_folder(folder, shared=True)
    except RunError:
        return None


def _check_structure(report: VerifyReport, folder: Path) -> bool:
    """Walk the database file without the engine; tell whether the engine may read it."""
    found = _walk(folder / CAPTURE_STORE)
    for line in found:
        report.problem(f"{STORE_FILE}: {line}")
    return not found


def _walk(store: Path) -> list[str]:
    """Return what is wrong with the structure of an environment's file."""
    try:
        return [str(line) for line in walk_pages(str(store))]  # type: ignore[no-untyped-call]
    except VerifyError as error:
        return [str(error)]
    except OSError as error:
        return [error.strerror or str(error)]


def _check_lookups(report: VerifyReport, reader: RunReader) -> None:
    """Read all lookups; the first thing wrong with them is enough, for they can be made again."""
    fault = next(iter(_walk(reader.folder / LOOKUP_STORE)), "")
    if not fault:
        try:
            said = reader.lookups_made().rows
            for table in reader.lookups():
                report.lookups += len(table)
                if table.key.shape[1] != reader.manifest.id_bytes:
                    raise RunError(f"IDs of {table.key.shape[1]} bytes, not {reader.manifest.id_bytes}")
            if said != report.lookups:
                raise RunError(f"{said} lookups were written, found {report.lookups}")
        except (RunError, lmdb.Error, OSError) as error:
            fault = str(error)
    if fault:
        report.problem(f"{LOOKUP_STORE}: {fault} (captures are not affected: analyze the run to make it again)")


def _check_rows(report: VerifyReport, reader: RunReader, manifest: Manifest) -> None:
    attachments = _tried(report, reader.attachments)
    crawls = _tried(report, reader.crawls)
    _tried(report, reader.losses)
    totals = _tried(report, reader.totals)
    for attachment in attachments or []:
        if {len(attachment.target_id), len(attachment.monitor_id)} != {manifest.id_bytes}:
            report.problem(f"attachment {attachment.number}: its IDs are not {manifest.id_bytes} bytes")
    known = np.array([attachment.number for attachment in attachments or []], np.int64)
    _tried(report, lambda: _check_blocks(report, reader, known if attachments is not None else None))
    _tried(report, lambda: _check_contents(report, reader, set(known.tolist()) if attachments is not None else None))
    report.attachments, report.crawls = len(known), len(crawls or [])
    if totals is not None:
        _compare(report, "store's own total", totals.get("captures", 0), report.captures, "captures")
        _compare(report, "store's own total", totals.get("blocks", 0), report.blocks, "capture blocks")
        _compare(report, "store's own total", totals.get("contents", 0), report.contents, "contents")
    if manifest.sealed:
        _compare(report, "manifest", manifest.captures, report.captures, "captures")
        _compare(report, "manifest", manifest.attachments, report.attachments, "attachments")
        _compare(report, "manifest", manifest.crawls, report.crawls, "crawls")
        _compare(report, "manifest", manifest.contents, report.contents, "contents")


def _check_blocks(report: VerifyReport, reader: RunReader, known: np.ndarray[Any, Any] | None) -> None:
    for first_ns, sequence, data in reader.capture_blocks():
        report.blocks += 1
        try:
            block = decode_captures(data)
        except BlockError as error:
            report.problem(f"capture block {sequence}: {error}")
            continue
        report.captures += len(block)
        fault = _fault(block, first_ns, reader.manifest.id_bytes)
        if fault:
            report.problem(f"capture block {sequence}: {fault}")
        if known is not None:
            missing = np.setdiff1d(block.attachment, known)
            if len(missing):
                report.problem(f"capture block {sequence}: attachment {missing[0]} is not stored ({len(missing)} such)")


def _check_contents(report: VerifyReport, reader: RunReader, known: set[int] | None) -> None:
    for content in reader.contents():
        report.contents += 1
        if len(content.key) != reader.manifest.id_bytes:
            report.problem(f"content {report.contents}: its key is not {reader.manifest.id_bytes} bytes")
        if known is not None and content.attachment not in known:
            report.problem(f"content {report.contents}: attachment {content.attachment} is not stored")


def _fault(block: Captures, first_ns: int, id_bytes: int) -> str:
    """Return what is wrong with a decoded block, "" for nothing."""
    if not len(block):
        return "it is empty"
    if block.key.shape[1] != id_bytes:
        return f"IDs of {block.key.shape[1]} bytes, not {id_bytes}"
    if bool((np.diff(block.time_ns) < 0).any()):
        return "its rows are not in time order"
    if max(0, int(block.time_ns[0])) != first_ns:
        return "its first time is not that of its key"
    return ""


def _compare(report: VerifyReport, who: str, said: int, found: int, what: str) -> None:
    if said != found:
        report.problem(f"{what}: {who} says {said}, found {found}")


def _tried(report: VerifyReport, action: Callable[[], _T]) -> _T | None:
    """Return what the action returns; None, and its error among the problems, when it raises one."""
    try:
        return action()
    except (RunError, lmdb.Error, OSError) as error:
        report.problem(str(error))
        return None


def _iso(time_ns: int) -> str:
    if not time_ns:
        return ""
    try:
        return datetime.fromtimestamp(time_ns / 1e9, UTC).isoformat(timespec="milliseconds")
    except (ValueError, OverflowError, OSError):
        return f"{time_ns} ns"  # no year that a calendar has
