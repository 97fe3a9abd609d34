"""How LMDB environments are opened, read and refused, in one place: engine, flags, keys, errors.

The `lmdb` package bundles two engines whose files the other cannot read (0.9 and 1.0). Montra pins 0.9, which every
LMDB tool reads, and names it in the manifest. No writemap: a full disk must be an error, not a SIGBUS.
"""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import lmdb

from zone_store.run.folder import RunError

if TYPE_CHECKING:
    from lmdb import _Database

#: What the manifest says of the file format of its LMDB environments.
STORE_FORMAT = "lmdb-0.9"
_ENGINE_MAJOR = 0
_MAX_DBS = 8

_LIBC = ctypes.CDLL(None)
_MADV_DONTNEED = 4

_KEY = struct.Struct(">QQ")
_NUMBER = struct.Struct(">Q")

# Sub-databases of capture.lmdb; lookups.lmdb has META, too, and the lookups.
META = b"meta"
CAPTURES = b"captures"
TARGETS = b"targets"
CRAWLS = b"crawls"
LEDGER = b"ledger"
CAPTURE_DATABASES = (META, CAPTURES, TARGETS, CRAWLS, LEDGER)
#: Stores of earlier versions lack it.
CONTENTS = b"contents"
LOOKUPS = b"lookups"
#: Bytes of values after which pages that were read are given back.
MOST_MAPPED = 64 << 20
#: Key in the META of lookups.lmdb: how they were made.
MADE = b"made"


def time_key(time_ns: int, sequence: int) -> bytes:
    """Return the 16-byte key whose byte order is the order of (time, sequence); times before 1970 count as 0."""
    return _KEY.pack(max(0, time_ns), sequence)


def parse_time_key(key: bytes) -> tuple[int, int]:
    """Return (time_ns, sequence) of a key; raises RunError for bytes that are none."""
    if len(key) != _KEY.size:
        raise RunError(f"a key of {len(key)} bytes, not {_KEY.size}")
    time_ns, sequence = _KEY.unpack(key)
    return time_ns, sequence


def number_key(number: int) -> bytes:
    """Return the 8-byte big-endian key of a number."""
    return _NUMBER.pack(number)


def parse_number(value: bytes) -> int:
    """Return the number of an 8-byte big-endian key or value; raises RunError for bytes that are none."""
    if len(value) != _NUMBER.size:
        raise RunError(f"a number of {len(value)} bytes, not {_NUMBER.size}")
    number: int = _NUMBER.unpack(value)[0]
    return number


def open_writable(path: Path, map_size: int) -> lmdb.Environment:
    """Open or create an environment for its one writer; raises RunError.

    `map_size` reserves address space, not disk: the file grows as it is written.
    """
    with lmdb_errors(f"cannot open {path.name}"):
        return lmdb.open(str(path), map_size=map_size, max_dbs=_MAX_DBS, lib_version=_ENGINE_MAJOR)


def open_readonly(path: Path, live: bool) -> lmdb.Environment:
    """Open an environment for reading; raises RunError.

    `live`: a writer may be at work, so register in its lock file. A sealed one is opened without touching any file, and
    no lock file is ever made: on a full disk the first touch of its mapping would end the process by SIGBUS. One
    process cannot hold the same environment open twice (LMDB's locks are per process).
    """
    if not (path / "data.mdb").is_file():
        raise RunError(f"{path.name} is missing or holds no data.mdb in {path.parent}")
    with lmdb_errors(f"cannot open {path.name}"):
        # Map size 0: as large as the writer made it.
        return lmdb.open(
            str(path),
            map_size=0,
            max_dbs=_MAX_DBS,
            readonly=True,
            create=False,
            lock=live and (path / "lock.mdb").exists(),
            lib_version=_ENGINE_MAJOR,
        )


def begin_read(env: lmdb.Environment) -> lmdb.Transaction[bytes]:
    """Begin a read transaction, following the map when the writer has grown it."""
    try:
        return env.begin()
    except lmdb.MapResizedError:
        env.set_mapsize(0)
        return env.begin()


def open_databases(env: lmdb.Environment, names: Iterable[bytes]) -> dict[bytes, _Database]:
    """Return the handles of sub-databases that must exist; raises RunError.

    Once for an environment, outside any transaction: a handle opened inside one dies with it.
    """
    begin_read(env).abort()
    try:
        return {name: env.open_db(name, create=False) for name in names}
    except lmdb.NotFoundError:
        raise RunError(f"{env.path()} is no store of ours: it lacks a sub-database") from None


def open_later_databases(env: lmdb.Environment, names: Iterable[bytes]) -> dict[bytes, _Database]:
    """Return the handles of those sub-databases that there are: stores of earlier versions lack some."""
    found = {}
    for name in names:
        with suppress(lmdb.NotFoundError):
            found[name] = env.open_db(name, create=False)
    return found


def items(env: lmdb.Environment, database: _Database) -> Iterator[tuple[bytes, bytes]]:
    """Yield the items of a sub-database in key order, as of one moment; raises RunError.

    However large the store, no more than MOST_MAPPED of it stays mapped into the process.
    """
    mapped = 0
    with lmdb_errors(f"cannot read {env.path()}"), begin_read(env) as transaction:
        for key, value in transaction.cursor(database):
            yield key, value
            mapped += len(value)
            if mapped >= MOST_MAPPED:
                give_back_pages(env)
                mapped = 0


def give_back_pages(env: lmdb.Environment) -> None:
    """Take the pages that were read of an environment's file out of this process's memory; harmless at any time.

    They stay in the kernel's page cache as long as there is room, from where the next access brings them back. Without
    this a process that reads a whole store counts as large as the store.
    """
    path = str(Path(env.path()).resolve() / "data.mdb")
    for line in Path("/proc/self/maps").read_text().splitlines():
        if line.endswith(path):
            begin, end = (int(address, 16) for address in line.partition(" ")[0].split("-"))
            # The mapping is shared and only read, so nothing can be lost; where it is refused, nothing is gained.
            _LIBC.madvise(ctypes.c_void_p(begin), ctypes.c_size_t(end - begin), _MADV_DONTNEED)


@contextmanager
def lmdb_errors(what: str) -> Iterator[None]:
    """Turn what LMDB raises into one RunError line that begins with `what`."""
    try:
        yield
    except lmdb.Error as error:
        # The text after the first colon repeats the name of the C function.
        raise RunError(f"{what}: {error}") from error
    except OSError as error:
        raise RunError(f"{what}: {error.strerror or error}") from error
