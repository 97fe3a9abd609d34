"""The key of pseudonyms: in a file that only its owner reads, made at first use, destroyed on request."""

from __future__ import annotations

import hashlib
import os
import secrets
import stat
from pathlib import Path

from analysis.privacy.pseudonyms import KEY_BYTES
from zone_store.run.folder import RunError

KEY = "pseudonyms.key"
"""A run's own key, in its folder: hexadecimal, mode 0600."""


def key_of(run: Path, shared: Path | None = None) -> bytes:
    """Return the key of a run, or one that many runs share; made if there is none. Raises RunError.

    shared: the file of a key; runs with one key give an address one pseudonym, so their outputs can be joined.
    """
    path = run / KEY if shared is None else shared
    try:
        return _read(path)
    except FileNotFoundError:
        pass
    try:
        _make(path)
        return _read(path)
    except OSError as error:
        raise RunError(f"cannot make the key {path}: {error.strerror}") from None


def fingerprint(key: bytes) -> str:
    """Return a name of a key, 16 hexadecimal digits: tells two keys apart and says nothing about either."""
    return hashlib.sha256(b"montra fingerprint" + key).hexdigest()[:16]


def destroy_key(run: Path, shared: Path | None = None) -> list[Path]:
    """Remove a run's own key and the shared one, if there are any, and return what was removed; raises RunError.

    What was written under a key stays, and nobody can make its pseudonyms again; the run's next output gets another
    key. The file is overwritten first, which a copy-on-write or journalling disk, or a backup, may not honour.
    """
    removed = []
    for path in (run / KEY, *(() if shared is None else (shared,))):
        try:
            _overwrite(path)
            path.unlink()
            _sync(path.parent)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise RunError(f"cannot destroy the key {path}: {error.strerror}") from None
        removed.append(path)
    return removed


def _read(path: Path) -> bytes:
    """Return the key in a file; raises FileNotFoundError if there is none, RunError for one that is no private key."""
    try:
        with path.open("rb") as file:
            open_to = stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077
            text = file.read(2 * KEY_BYTES + 2)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise RunError(f"cannot read the key {path}: {error.strerror}") from None
    if open_to:
        raise RunError(f"the key {path} is open to others: chmod 600 it, or destroy it if they may have read it")
    try:
        key = bytes.fromhex(text.decode("ascii"))
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise RunError(f"{path} is no key: it must hold {2 * KEY_BYTES} hexadecimal digits")
    return key


def _make(path: Path) -> None:
    """Write a new key, unless another process was faster: the file appears whole or not at all. Raises OSError."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(KEY_BYTES) + "\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(temporary, path)
        except FileExistsError:
            return
        _sync(path.parent)
    finally:
        temporary.unlink()


def _overwrite(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(b"0" * path.stat().st_size)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
