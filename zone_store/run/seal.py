"""Sealing: the sums of a finished run, then the manifest that says so.

The manifest goes last, in one rename, so that a run is either sealed with all its sums or not sealed at all.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec

from zone_store.run import folder as run_folder
from zone_store.run.folder import CANARIES, CAPTURE_STORE, CONFIG, LOG, MANIFEST, STATUS, SUMS, Manifest, RunError

STORE_FILE = f"{CAPTURE_STORE}/data.mdb"
#: Files a sealed run must have, and those it has when the run wrote them.
REQUIRED = (MANIFEST, CONFIG, STORE_FILE)
_OPTIONAL = (STATUS, LOG, CANARIES)


def seal_folder(folder: Path, manifest: Manifest) -> Manifest:
    """Write SHA256SUMS and the sealed manifest, which is returned; raises RunError, and then the run is not sealed.

    The store must be closed and status.csv, log.jsonl and canaries.jsonl complete: no sealed file changes any more.
    """
    sealed = msgspec.structs.replace(manifest, sealed=True)
    content = run_folder.manifest_bytes(sealed)
    sums = {MANIFEST: hashlib.sha256(content).hexdigest()}
    for name in (*REQUIRED[1:], *_OPTIONAL):
        path = folder / name
        if name in REQUIRED or path.is_file():
            try:
                sums[name] = run_folder.file_digest(path)
            except OSError as error:
                raise RunError(f"cannot seal {folder}: {name}: {error.strerror}") from None
    text = "".join(f"{digest}  {name}\n" for name, digest in sums.items())
    run_folder.write_atomic(folder / SUMS, text.encode())
    run_folder.write_atomic(folder / MANIFEST, content)
    return sealed


def read_sums(folder: Path) -> dict[str, str]:
    """Return file name -> SHA-256 in hex of SHA256SUMS; raises RunError when it is missing or damaged."""
    try:
        lines = (folder / SUMS).read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise RunError(f"cannot read {SUMS}: {error}") from None
    sums = {}
    for line in lines:
        digest, gap, name = line.partition("  ")
        # Only names that sealing writes: a sum list cannot make us read files elsewhere.
        if len(digest) != 64 or not gap or name not in (*REQUIRED, *_OPTIONAL):
            raise RunError(f"{SUMS} has a line that is none of ours: {line[:80]!r}")
        sums[name] = digest
    return sums
