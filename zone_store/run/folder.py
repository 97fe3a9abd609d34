"""The run folder: its name, its files, its manifest, and writing them so that a crash leaves old or new, never half.

20261121T150000Z_mainline_a4-6/
    manifest.json   what was run, on what, and how it ended
    config.toml     the effective configuration
    capture.lmdb/   captures, targets, crawls, ledger; never touched again once sealed
    lookups.lmdb/   made from it by attribution, at any later time
    status.csv, log.jsonl
    canaries.jsonl  lookups of our own, if the run made any
    SHA256SUMS      made by sealing, in the form of `sha256sum -c`
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from zone_store.keyspace.zone import Zone

SCHEMA = 1
MANIFEST = "manifest.json"
CONFIG = "config.toml"
CAPTURE_STORE = "capture.lmdb"
LOOKUP_STORE = "lookups.lmdb"
STATUS = "status.csv"
LOG = "log.jsonl"
CANARIES = "canaries.jsonl"
SUMS = "SHA256SUMS"

_OVERLAY_NAME = re.compile(r"[a-z0-9]+")


class RunError(Exception):
    """A run folder or store that cannot be used as asked; the message is one line for the user."""


class Manifest(msgspec.Struct, kw_only=True):
    """What a run was. `sealed` is the last thing ever written to a run; until then the counts are those of the start.

    schema: of the whole folder; family: address family of captures; zone: canonical text; id_bits: of the overlay's
    IDs; end_ns: 0 until sealed; exit: why the run ended; counters: total of each named counter; captures, attachments,
    crawls, contents: rows in the store; store_format: which LMDB file format.
    """

    schema: int = SCHEMA
    montra_version: str
    overlay: str
    zone: str
    id_bits: int = 160
    family: int = 4
    start_ns: int
    end_ns: int = 0
    sealed: bool = False
    exit: str = ""
    parameters: dict[str, Any] = {}
    versions: dict[str, str] = {}
    host: dict[str, Any] = {}
    git: str = ""
    counters: dict[str, int] = {}
    captures: int = 0
    attachments: int = 0
    crawls: int = 0
    contents: int = 0
    store_format: str = ""

    @property
    def id_bytes(self) -> int:
        """Bytes of an ID."""
        return self.id_bits // 8


class LookupsMade(msgspec.Struct, kw_only=True):
    """How lookups.lmdb was made: stored in it, so that lookups made otherwise are known and made anew.

    rule: version of the attribution's rules; span_ns, refresh_bits: its parameters; rows: lookups written; dropped:
    copies that no lookup stands for, by ledger name.
    """

    rule: int
    span_ns: int
    refresh_bits: int
    rows: int = 0
    dropped: dict[str, int] = {}

    def same_way(self, other: LookupsMade) -> bool:
        """Tell whether both come of the same rules and parameters."""
        return (self.rule, self.span_ns, self.refresh_bits) == (other.rule, other.span_ns, other.refresh_bits)


class _SchemaOnly(msgspec.Struct):
    schema: int


def run_name(start_ns: int, overlay: str, zone: Zone) -> str:
    """Return the folder name of a run, "20261121T150000Z_mainline_a4-6" (start in whole seconds UTC)."""
    start = datetime.fromtimestamp(start_ns // 1_000_000_000, UTC)
    return f"{start:%Y%m%dT%H%M%SZ}_{overlay}_{zone.slug}"


def create_run(parent: Path, start_ns: int, overlay: str, zone: Zone) -> Path:
    """Create and return the folder of a new run; raises RunError if it exists or cannot be made."""
    if not _OVERLAY_NAME.fullmatch(overlay):
        raise RunError(f"overlay name {overlay!r} is not made of lower-case letters and digits")
    folder = parent / run_name(start_ns, overlay, zone)
    try:
        parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir()
    except FileExistsError:
        raise RunError(f"run folder {folder} already exists") from None
    except OSError as error:
        raise RunError(f"cannot create run folder {folder}: {error.strerror}") from None
    return folder


def manifest_bytes(manifest: Manifest) -> bytes:
    """Return the manifest as it stands in the file: indented JSON, fields in order."""
    return msgspec.json.format(msgspec.json.encode(manifest, enc_hook=plain), indent=2) + b"\n"


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write manifest.json atomically; raises RunError."""
    write_atomic(folder / MANIFEST, manifest_bytes(manifest))


def read_manifest(folder: Path) -> Manifest:
    """Read manifest.json; raises RunError when it is missing, damaged or of another schema."""
    try:
        data = (folder / MANIFEST).read_bytes()
    except FileNotFoundError:
        raise RunError(f"{folder} is no run folder: it has no {MANIFEST}") from None
    except OSError as error:
        raise RunError(f"cannot read {folder / MANIFEST}: {error.strerror}") from None
    try:
        schema = msgspec.json.decode(data, type=_SchemaOnly).schema
        if schema != SCHEMA:
            raise RunError(f"{folder} has schema {schema}, this version reads {SCHEMA}")
        manifest = msgspec.json.decode(data, type=Manifest)
        Zone.parse(manifest.zone, manifest.id_bits)
    except (ValueError, RecursionError) as error:
        raise RunError(f"{folder / MANIFEST} is damaged: {error}") from None
    return manifest


def write_atomic(path: Path, data: bytes) -> None:
    """Write a file so that after a crash it is the old one or the new one, on disk when this returns; RunError."""
    temporary = path.with_name(f".{path.name}.new")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        directory = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise RunError(f"cannot write {path}: {error.strerror}") from error


def lock_folder(folder: Path, shared: bool = False) -> int:
    """Take the folder for the one writer, or `shared` against writers; raises RunError if another has it.

    Until the returned descriptor is closed, by the end of the process at the latest.
    """
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise RunError(f"cannot open run folder {folder}: {error.strerror}") from None
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise RunError(f"{folder} is in use by another writer") from None
    except OSError as error:
        os.close(descriptor)
        raise RunError(f"cannot lock run folder {folder}: {error.strerror}") from None
    return descriptor


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file in hex; raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def plain(value: object) -> object:
    """Return numpy scalars as Python numbers, for msgspec encoders; raises NotImplementedError for anything else."""
    if isinstance(value, np.generic):
        return value.item()
    raise NotImplementedError(f"{type(value).__name__} cannot be stored")
