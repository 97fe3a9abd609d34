"""One data set of several runs: tables in partitions by overlay, zone and window, a dictionary, a README."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from analysis.contents.told import CONTENTS
from analysis.dictionary import Large
from analysis.engine.database import Database, parquet
from analysis.engine.opening import KEYS, LOOKUPS
from analysis.export import facts, hidden
from analysis.export.facts import Place
from analysis.export.files import ENDINGS, HIVE, OVER, TABLES, Files
from analysis.export.readme import README, readme
from analysis.load import NANOS, Run, load
from analysis.over import over
from analysis.privacy.key import fingerprint, key_of
from analysis.privacy.suppress import suppress
from analysis.quantity import made_by
from analysis.result import Analysis
from analysis.table import Table
from zone_store.keyspace.zone import Zone
from zone_store.run.folder import RunError, write_atomic
from zone_store.run.reader import RunReader


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written. lookups, keys: rows of each run, by its partition."""

    lookups: dict[str, int] = field(default_factory=dict)
    keys: dict[str, int] = field(default_factory=dict)


def export(runs: Sequence[tuple[Path, Analysis]], out: Path, form: str = "parquet") -> Exported:
    """Write analysed runs (folder, analysis) as one data set into a new folder, which appears whole or not at all.

    form: of lookups, keys and targets, one of `ENDINGS`; small tables are written in both. Pseudonyms are those under
    which the runs were analysed. Rows and cells about fewer than `Given.least_people` people are left out. Raises
    RunError.
    """
    placed = [(_place(analysis), folder, analysis) for folder, analysis in runs]
    places = [place for place, _, _ in placed]
    twice = sorted(str(place) for place in places if places.count(place) > 1)
    if twice:
        raise RunError(f"several runs would be {twice[0]}")
    temporary = out.with_name(f".{out.name}.{secrets.token_hex(4)}")
    try:
        temporary.mkdir(parents=True)
        try:
            exported = _write(Files(temporary, form), placed)
            temporary.rename(out)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    except OSError as error:
        raise RunError(f"cannot write {out}: {error.strerror or error}") from error
    return exported


def _write(files: Files, runs: Sequence[tuple[Place, Path, Analysis]]) -> Exported:
    exported = Exported()
    rows, left_out = [], []
    k = max(analysis.given.least_people for _, _, analysis in runs)
    for place, folder, analysis in runs:
        found = _lookups(files, place, folder, analysis)
        exported.lookups[str(place)], exported.keys[str(place)] = found["lookups"], found["keys"]
        rows.append((place, analysis, found))
        left_out += _tables(files, place, folder, analysis)
    numbers = [(place, analysis.quantities()) for place, _, analysis in runs]
    if len(runs) > 1:
        together = over([analysis for _, _, analysis in runs])
        left_out += _put(files, together.tables(), k)
        numbers.append((facts.ALL, together.quantities()))
    for table in (facts.runs(rows), facts.quantities(numbers), facts.left_out(left_out)):
        files.put(table)
    told = {name: one for _, of_one in reversed(numbers) for name, one in of_one.items()}
    files.dictionary(told, _large(ENDINGS[files.form]))
    named = [Path(name).name for name in files.names if Path(name).parent.name == TABLES]
    about: list[tuple[Place, Run]] = [(place, analysis.run) for place, _, analysis in runs]
    text = readme(files.form, about, k, "rates" if "rates" in named else min(named))
    write_atomic(files.out / README, text.encode())
    return exported


def _lookups(files: Files, place: Place, folder: Path, analysis: Analysis) -> dict[str, Any]:
    """Write the lookups and keys of one run, and return what `facts.runs` wants to know of them."""
    given = analysis.given
    spill = files.out / ".engine"
    with Database(temporary=spill) as db:
        parts = sorted((analysis.out / LOOKUPS).glob("part-*.parquet"))
        db.see("lookups", parts)
        db.see_keys([analysis.out / KEYS])
        hidden.prepare(db, given.least_people, given.version_name if given.tells_clients else None)
        lookups = 0
        for number, part in enumerate(parts):
            sql = hidden.lookups(parquet([part]))
            lookups += hidden.write(db, sql, files.large("lookups", place, f"part-{number:05d}"))
        keys = hidden.write(db, hidden.keys(parquet([analysis.out / CONTENTS])), files.large("keys", place, "keys"))
        found = {
            "lookups": lookups,
            "keyless": db.one(hidden.KEYLESS),
            "keys": keys,
            "keys_left_out": db.one("SELECT count(*) FROM keys") - keys,
            "pseudonyms": fingerprint(key_of(folder, given.pseudonym_key)),
        }
    shutil.rmtree(spill, ignore_errors=True)
    return found


def _tables(files: Files, place: Place, folder: Path, analysis: Analysis) -> list[tuple[Place, str, int]]:
    """Write all other tables of one run, and return how many rows of which are left out."""
    given = analysis.given
    with RunReader(folder) as reader:
        run = load(reader)
    files.put_large(facts.targets(run, given.version_name, given.least_people), place)
    for table in (facts.crawls(run), facts.ledger(run)):
        files.put(table, name=table.name, place=place)
    return _put(files, analysis.tables(), given.least_people, place)


def _put(files: Files, tables: Iterable[Table], k: int, place: Place | None = None) -> list[tuple[Place, str, int]]:
    """Write tables of the analysis, of one run or of all together, and return how many rows of which are left out."""
    left_out = []
    for whole in tables:
        table = suppress(whole, k)
        if len(table) < len(whole):
            left_out.append((place or facts.ALL, table.name, len(whole) - len(table)))
        files.put(table, name=f"{OVER if place is None else TABLES}/{table.name}", place=place, about=whole)
    return left_out


def _large(ending: str) -> tuple[Large, ...]:
    return (
        Large(
            "lookups",
            "Lookups",
            "A row for each lookup or announce of a user, in order of time; node lookups and upkeep are left out.",
            made_by(hidden.lookups),
            ("lookups",),
            f"lookups/{HIVE}/part-*{ending}",
            hidden.LOOKUPS,
        ),
        Large(
            "keys",
            "Keys",
            "A row for each key of a run that k addresses asked for.",
            made_by(hidden.keys),
            ("lookups", "contents"),
            f"keys/{HIVE}/keys{ending}",
            hidden.KEYS,
        ),
    )


def _place(analysis: Analysis) -> Place:
    manifest = analysis.run.manifest
    begin = datetime.fromtimestamp(analysis.run.start_ns // NANOS, UTC)
    zone = Zone.parse(manifest.zone, manifest.id_bits)
    return Place(manifest.overlay, zone.slug, f"{begin:%Y%m%dT%H%M%SZ}")
