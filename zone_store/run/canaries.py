"""canaries.jsonl of a run folder: the lookups that the instrument made itself, one JSON line for each.

Written while the run goes on, so that a killed run has all but the last; sealed, verified and merged with the run.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Annotated, Self

import msgspec

from zone_store.run.folder import CANARIES, RunError

#: No log grows beyond this; 4 lookups a minute take 30 MB a day.
MAX_BYTES = 1 << 30

_Ip = Annotated[int, msgspec.Meta(ge=0, le=(1 << 32) - 1)]
_Port = Annotated[int, msgspec.Meta(ge=0, le=(1 << 16) - 1)]


class CanaryLookup(msgspec.Struct, frozen=True, kw_only=True):
    """One own lookup, from t_ns until it ended at end_ns.

    requester, key: the canary's node ID and the key, in hex; ip, port: its address (host order); asked: (ip, port,
    time) of each query; answered: (ID in hex, ip, port, time) of each node that answered under the ID it was named by.
    """

    t_ns: int
    end_ns: int
    requester: str
    ip: _Ip
    port: _Port
    key: str
    asked: list[tuple[_Ip, _Port, int]]
    answered: list[tuple[str, _Ip, _Port, int]]


class CanaryLog:
    """Appends to the canaries.jsonl of a run folder; a context manager. Raises OSError as files do.

    dropped: lookups not written because the file is as large as it may be.
    """

    def __init__(self, folder: Path, max_bytes: int = MAX_BYTES) -> None:
        self.dropped = 0
        self._file = (folder / CANARIES).open("ab")
        self._room = max_bytes - self._file.tell()

    def write(self, lookup: CanaryLookup) -> None:
        """Add one lookup."""
        line = msgspec.json.encode(lookup) + b"\n"
        if len(line) > self._room:
            self.dropped += 1
            return
        self._room -= len(line)
        self._file.write(line)
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def read_canaries(folder: Path) -> Iterator[CanaryLookup]:
    """Yield the lookups of a run in the order of their ends; none where it made none. Raises RunError for damage.

    A last line without an end is what a crash cut off, and left out.
    """
    decoder = msgspec.json.Decoder(CanaryLookup)
    try:
        with (folder / CANARIES).open("rb") as file:
            for number, line in enumerate(file, 1):
                if not line.endswith(b"\n"):
                    return
                try:
                    lookup = decoder.decode(line)
                    _check(lookup)
                except (ValueError, RecursionError) as error:
                    raise RunError(f"{CANARIES} of {folder}: line {number}: {error}") from None
                yield lookup
    except FileNotFoundError:
        return
    except OSError as error:
        raise RunError(f"cannot read {folder / CANARIES}: {error.strerror}") from None


def merge_canaries(folders: Iterable[Path], out: Path) -> None:
    """Write the lookups of all these runs into one, in order of time; nothing where none made any. Raises RunError.

    They are held in memory: some thousand bytes each.
    """
    lookups = [lookup for folder in folders for lookup in read_canaries(folder)]
    if not lookups:
        return
    try:
        with CanaryLog(out) as log:
            for lookup in sorted(lookups, key=lambda one: (one.t_ns, one.ip, one.port, one.key)):
                log.write(lookup)
    except OSError as error:
        raise RunError(f"cannot write {out / CANARIES}: {error.strerror}") from None


def _check(lookup: CanaryLookup) -> None:
    """Raise ValueError for what is no hex, and for IDs of different lengths."""
    ids = [bytes.fromhex(text) for text in (lookup.requester, lookup.key, *(one[0] for one in lookup.answered))]
    if len(set(map(len, ids))) > 1:
        raise ValueError("IDs of different lengths")
