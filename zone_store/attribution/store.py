"""Writing lookups.lmdb into a run folder: anew each time, so that it is the old one or the new one, never a mixture."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import numpy as np

from zone_store.attribution.attribute import RULE, Rules, attribute_rows
from zone_store.attribution.chances import LAB, Chances
from zone_store.attribution.infer import Inference
from zone_store.attribution.learn import SAMPLE, learned, tally_of
from zone_store.attribution.stream import concat
from zone_store.attribution.targets import Targets
from zone_store.attribution.workers import attribute_by_workers, share_of
from zone_store.captures import Captures, Kind, Lookups, Maintenance
from zone_store.contents import What
from zone_store.run import environment
from zone_store.run.blocks import encode_lookups
from zone_store.run.folder import LOOKUP_STORE, LookupsMade, RunError
from zone_store.run.reader import RunReader

BLOCK_ROWS = 4096
COMMIT_BLOCKS = 64
MAP_SIZE = 1 << 40
"""Address space for the store, not disk: 1 TiB, some 15 billion lookups."""

UNTOLD = LookupsMade(rule=0, span_ns=0, refresh_bits=0)
"""Of lookups whose maker does not say how; they count as made otherwise."""


@dataclass(slots=True)
class LookupSummary:
    """What was written.

    rows: all of them; packets: copies they stand for; by: rows for each (kind name, maintenance name), lower case;
    dropped: copies that no lookup stands for, by ledger name.
    """

    rows: int = 0
    packets: int = 0
    by: Counter[tuple[str, str]] = field(default_factory=Counter)
    dropped: dict[str, int] = field(default_factory=dict)

    @property
    def lookups(self) -> int:
        """Users' lookups of keys: lookups, searches and publishes, nothing of maintenance."""
        return sum(self.by[kind, "none"] for kind in ("lookup", "search", "publish"))

    @property
    def node_lookups(self) -> int:
        """Node lookups (find_node) not known to be maintenance, though most of them are."""
        return self.by["node_lookup", "none"]

    @property
    def announces(self) -> int:
        """Users' announces."""
        return self.by["announce", "none"]

    @property
    def maintenance(self) -> int:
        """Rows of any kind that are no user's."""
        return sum(n for (_, why), n in self.by.items() if why != "none")

    def add(self, lookups: Lookups) -> None:
        """Count a table."""
        self.rows += len(lookups)
        self.packets += int(lookups.packets.sum(dtype=np.int64))
        counts = np.bincount(lookups.kind.astype(np.uint16) << 8 | lookups.maintenance)
        for pair in np.flatnonzero(counts).tolist():
            self.by[Kind(pair >> 8).name.lower(), Maintenance(pair & 255).name.lower()] += int(counts[pair])


def attribute_into(
    folder: Path,
    reader: RunReader,
    *,
    span_ns: int,
    refresh_bits: int,
    own_ips: Collection[int] = (),
    contact_bits: Mapping[int, int] | None = None,
    contacts: int = 1,
    chances: Chances = LAB,
    workers: int = 1,
) -> LookupSummary:
    """Attribute a run and write its lookups, with how they were made; parameters as of `attribute`, raises RunError.

    folder: the run's; workers: processes to attribute in, see `workers_for`. The bytes are the same for any number. A
    run that is not sealed takes one: others would see it at another moment.
    """
    dropped: dict[str, int] = {}
    compared = tuple(sorted((contact_bits or {}).items()))
    rules = Rules(
        span_ns,
        refresh_bits,
        frozenset(own_ips),
        contact_bits=compared,
        chances=chances,
        contacts=contacts,
        buddies=frozenset((one.source_ip, one.key) for one in reader.contents() if one.what == What.BUDDY),
    )
    targets = Targets(reader.each_attachment(), reader.manifest.id_bytes)
    rules = rules._replace(chances=_learned(reader, targets, rules))
    if workers > 1 and reader.manifest.sealed:
        lookups = attribute_by_workers(folder, targets, rules, workers, dropped)
    else:
        lookups = attribute_rows(reader.manifest, reader.captures(), targets, rules, dropped)
    # `dropped` is complete when the lookups are at their end, which is when `made` is written.
    made = LookupsMade(rule=RULE, span_ns=span_ns, refresh_bits=refresh_bits, dropped=dropped)
    # Closed here at once, whatever happens: its end is the workers' end.
    with closing(lookups):
        return write_lookups(folder, lookups, made)


def _learned(reader: RunReader, targets: Targets, rules: Rules) -> Chances:
    """Return the chances of a run, learned from some of its lookups; raises RunError."""
    shares = -(-reader.totals().get("captures", 0) // SAMPLE)
    sample = reader.captures(keep=None if shares <= 1 else lambda block: share_of(block, shares) == 0)
    inference = Inference(targets, dict(rules.contact_bits), rules.chances, rules.contacts)
    captures = Captures.concat(list(sample), reader.manifest.id_bytes)
    return learned(rules.chances, tally_of(captures, targets, inference, rules.span_ns))


def write_lookups(folder: Path, lookups: Iterable[Lookups], made: LookupsMade = UNTOLD) -> LookupSummary:
    """Write the lookups of a run, in the order given, as its lookups.lmdb; nothing else in the folder is touched.

    made: how, stored with them; its `rows` are filled in. The same lookups give the same bytes, however they are
    divided into tables. Raises RunError when the disk does not take them, and passes on what the iterable raises; then
    an older lookups.lmdb is still there.
    """
    final, fresh, old = (folder / f"{prefix}{LOOKUP_STORE}" for prefix in ("", ".new-", ".old-"))
    summary = LookupSummary()
    try:
        for leftover in (fresh, old):
            if leftover.exists():
                shutil.rmtree(leftover)
        _fill(fresh, lookups, summary, made)
        if final.exists():
            final.rename(old)
        fresh.rename(final)
        shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        raise RunError(f"cannot write {final}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return summary


def _fill(path: Path, lookups: Iterable[Lookups], summary: LookupSummary, made: LookupsMade) -> None:
    env = environment.open_writable(path, MAP_SIZE)
    try:
        with environment.lmdb_errors(f"cannot write {LOOKUP_STORE}"):
            database, meta = env.open_db(environment.LOOKUPS), env.open_db(environment.META)
            number = 0
            for blocks in _commits(lookups, summary):
                with env.begin(write=True) as transaction:
                    for block in blocks:
                        transaction.put(environment.number_key(number), block, db=database, append=True)
                        number += 1
            summary.dropped = dict(made.dropped)
            with env.begin(write=True) as transaction:
                text = msgspec.json.encode(msgspec.structs.replace(made, rows=summary.rows))
                transaction.put(environment.MADE, text, db=meta)
    finally:
        env.close()
    (path / "lock.mdb").unlink(missing_ok=True)


def _commits(lookups: Iterable[Lookups], summary: LookupSummary) -> Iterator[list[bytes]]:
    """Yield the encoded blocks of one commit after the other."""
    blocks: list[bytes] = []
    for table in _blocks(lookups):
        summary.add(table)
        blocks.append(encode_lookups(table))
        if len(blocks) == COMMIT_BLOCKS:
            yield blocks
            blocks = []
    if blocks:
        yield blocks


def _blocks(lookups: Iterable[Lookups]) -> Iterator[Lookups]:
    """Yield the same rows in tables of BLOCK_ROWS, the last one shorter."""
    parts: list[Lookups] = []
    rows = 0
    for table in lookups:
        parts.append(table)
        rows += len(table)
        if rows < BLOCK_ROWS:
            continue
        joined = concat(parts)
        whole = rows - rows % BLOCK_ROWS
        for start in range(0, whole, BLOCK_ROWS):
            yield joined.between(start, start + BLOCK_ROWS)
        parts, rows = [joined.between(whole, rows)], rows - whole
    if rows:
        yield concat(parts)
