"""Opening a run for questions: its lookups as Parquet files, its keys as a table, its facts beside."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from analysis.engine.concentration import effective_keys
from analysis.engine.database import MEMORY, Database
from analysis.engine.keys import INFO_HASH, UNKNOWN, make_keys
from analysis.engine.partition import partition
from analysis.engine.sorts import make_sorts
from analysis.engine.source import Source
from analysis.given import Given
from analysis.load import load
from analysis.privacy.key import key_of
from analysis.privacy.places import Places
from analysis.privacy.pseudonyms import Pseudonyms
from analysis.trust.capture import capture_of
from analysis.trust.validation import VALIDATION, read_validation
from zone_store.run.folder import RunError
from zone_store.run.reader import RunReader

KEYS, LOOKUPS = "keys.parquet", "lookups"
"""In the folder of tables: one row for each key; folder of the lookups' files."""

_TEMPORARY = ".engine-"


@contextmanager
def opened(folder: Path, out: Path, given: Given, threads: int | None = None, memory: str = MEMORY) -> Iterator[Source]:
    """Open an attributed run, write its lookups and keys as Parquet into `out`, and answer questions about them.

    threads, memory: as of `Database`. Raises RunError for a folder that is no run, has no lookups yet or is damaged,
    and when the disk does not take what is written.
    """
    validation = read_validation(folder / VALIDATION)
    with RunReader(folder) as reader, _temporary(out) as temporary:
        run, made = load(reader), reader.lookups_made()
        hide = Pseudonyms(key_of(folder, given.pseudonym_key))
        with Places(given.places) as places:
            files = partition(reader.lookups(), run.manifest.id_bytes, out / LOOKUPS, hide, places)
        with Database(threads, memory, temporary) as db:
            db.see("lookups", files)
            db.users()
            make_sorts(db, reader.contents(), given.words, temporary / "said.parquet")
            # Lookups that do not tell a publish from a search are for info-hashes: there is nothing else to look up.
            sort = UNKNOWN if given.republish_s else INFO_HASH
            db.write(make_keys(sort), out / KEYS)
            db.see_keys([out / KEYS])
            measured = capture_of(given.canaries, validation)
            yield Source(
                run=run,
                given=given,
                capture=None if measured is None else measured.of_users(effective_keys(db)),
                validation=validation,
                lookups_made=made,
                db=db,
                said=reader.contents,
                folder=folder,
                out=out,
            )


@contextmanager
def _temporary(out: Path) -> Iterator[Path]:
    """Make a folder for what memory cannot hold, on the disk that takes the tables."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        for old in out.glob(f"{_TEMPORARY}*"):  # of an analysis that was killed
            shutil.rmtree(old, ignore_errors=True)
        folder = tempfile.TemporaryDirectory(prefix=_TEMPORARY, dir=out)
    except OSError as error:
        raise RunError(f"cannot write {out}: {error.strerror}") from error
    with folder as name:
        yield Path(name)
