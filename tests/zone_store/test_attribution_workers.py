"""Attribution in several processes: the same bytes, whole lookups, clear failures, and no process left behind."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Generator
from contextlib import closing
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from zone_store.attribution import LookupSummary, attribute_into, groups, workers, workers_for
from zone_store.attribution.attribute import Rules
from zone_store.attribution.targets import Targets
from zone_store.attribution.workers import attribute_by_workers, share_of
from zone_store.captures import Attachment, Captures, Kind, Lookups
from zone_store.run.folder import Manifest, RunError
from zone_store.run.reader import RunReader
from zone_store.run.store import StoreLimits
from zone_store.run.writer import RunWriter

ROWS = 30_000
START_NS = 1_800_000_000_000_000_000
SPAN_NS = 60 * 10**9
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sealed run of 30,000 copies at 60 targets that come and go, some of attachments that are not listed."""
    path = tmp_path_factory.mktemp("run")
    rng = np.random.default_rng(2)
    ids = rng.integers(0, 256, (60, 20), np.uint8)
    keys = rng.integers(0, 256, (300, 20), np.uint8)
    for rows in (ids, keys):
        rows[:, 0] = 0xA4
    manifest = Manifest(montra_version="0", overlay="mainline", zone="a4/6", start_ns=START_NS)
    writer = RunWriter(path, manifest, "", StoreLimits(block_rows=2000))
    for number, one in enumerate(ids, 1):
        target = one.tobytes()
        begin = START_NS + number * 10**10
        lost = begin + 2 * 10**12 if number % 3 else 0
        writer.attachment(Attachment(number, target, 1, 1, target[:19] + b"\x01", 2, 2, begin, begin, begin, (), lost))
    # Whole seconds, so that lookups of different workers begin at the same time.
    times = START_NS + np.sort(rng.integers(0, 3600, ROWS)) * 10**9
    writer.captures(
        Captures(
            times,
            rng.integers(1, 62, ROWS).astype(np.uint32),
            rng.integers(1, 30, ROWS).astype(np.uint32),
            rng.integers(6881, 6884, ROWS).astype(np.uint16),
            rng.integers(0, 256, (ROWS, 20), np.uint8),
            keys[rng.integers(0, 300, ROWS)],
            rng.choice(np.array([Kind.LOOKUP, Kind.ANNOUNCE], np.uint8), ROWS),
            np.zeros(ROWS, np.uint16),
            np.zeros(ROWS, np.uint32),
            np.zeros(ROWS, np.uint16),
        )
    )
    writer.seal(START_NS + 3600 * 10**9, "done")
    return path


def run(folder: Path, count: int) -> LookupSummary:
    with RunReader(folder) as reader:
        return attribute_into(
            folder, reader, span_ns=SPAN_NS, refresh_bits=96, own_ips={7}, contact_bits={0: 24}, workers=count
        )


def stored(folder: Path) -> bytes:
    return (folder / "lookups.lmdb" / "data.mdb").read_bytes()


def by_workers(folder: Path, count: int) -> Generator[Lookups, None, None]:
    with RunReader(folder) as reader:
        targets = Targets(reader.each_attachment(), 20)
        yield from attribute_by_workers(folder, targets, Rules(SPAN_NS, 96, frozenset()), count, {})


def test_any_number_of_workers_gives_the_same_bytes(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alone = run(folder, 1)
    bytes_alone = stored(folder)
    assert alone.packets + alone.dropped["attribution_unknown_attachment"] == ROWS
    assert alone.dropped["attribution_unknown_attachment"] > 100
    monkeypatch.setattr(workers, "LEAST_STEP", 500)
    for count in (2, 3):
        assert run(folder, count) == alone
        assert stored(folder) == bytes_alone
    assert not multiprocessing.active_children()


def test_workers_that_find_nothing(tmp_path: Path) -> None:
    manifest = Manifest(montra_version="0", overlay="mainline", zone="a4/6", start_ns=START_NS)
    with RunWriter(tmp_path, manifest, "") as writer:
        writer.seal(START_NS + 1, "done")
    assert run(tmp_path, 2) == LookupSummary()


def captures_like(source_ip: np.ndarray, port: np.ndarray, key: np.ndarray) -> Captures:
    rows = Captures.empty(key.shape[1])
    n = len(source_ip)
    filled = {
        f.name: np.zeros((n, *getattr(rows, f.name).shape[1:]), getattr(rows, f.name).dtype) for f in fields(rows)
    }
    filled |= {"source_ip": source_ip.astype(np.uint32), "source_port": port.astype(np.uint16), "key": key}
    return Captures(**filled)


@pytest.mark.parametrize("id_bytes", [2, 16, 20])
def test_shares_are_even_and_keep_source_and_key_together(id_bytes: int) -> None:
    rng = np.random.default_rng(3)
    key = rng.integers(0, 256, (2000, id_bytes), np.uint8)
    captures = captures_like(rng.integers(0, 1 << 31, 2000), rng.integers(0, 65536, 2000), key)
    twice = captures.take(np.concatenate([np.arange(2000)] * 2))
    share = share_of(twice, 3)
    assert np.array_equal(share[:2000], share[2000:])
    assert np.bincount(share.astype(np.intp), minlength=3).min() > 1100
    one_asker = captures_like(np.full(2000, 9), np.full(2000, 6881), key)
    assert np.bincount(share_of(one_asker, 3).astype(np.intp), minlength=3).min() > 500


def test_requesters_whose_hashes_are_made_to_collide_are_told_apart(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(folder, 1)
    honest = stored(folder)
    # With such a mix every row has the same word, in the sharing out as in the grouping: one share gets everything.
    monkeypatch.setattr(groups, "_MIX", (0,))
    with RunReader(folder) as reader:
        assert len({int(s) for batch in reader.captures() for s in np.unique(share_of(batch, 3))}) == 1
    run(folder, 1)
    assert stored(folder) == honest


def test_a_worker_that_dies_is_one_clear_line_and_leaves_the_older_lookups(folder: Path) -> None:
    run(folder, 1)
    before = stored(folder)
    killed = []

    def kill() -> None:
        while not killed:
            for child in multiprocessing.active_children():
                if child.name == "attribution-1" and child.pid:
                    os.kill(child.pid, signal.SIGKILL)
                    killed.append(child.pid)
            time.sleep(0.002)

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        with pytest.raises(RunError, match=r"^worker 1 of attribution died \(signal 9\)$"):
            run(folder, 2)
    finally:
        killed.append(0)
        killer.join()
    assert stored(folder) == before
    assert sorted(p.name for p in folder.iterdir() if "lookups" in p.name) == ["lookups.lmdb"]
    assert not multiprocessing.active_children()


def test_what_a_worker_raises_is_raised_here(folder: Path, tmp_path: Path) -> None:
    with RunReader(folder) as reader:
        targets = Targets(reader.each_attachment(), 20)
    found = attribute_by_workers(tmp_path / "missing", targets, Rules(SPAN_NS, 96, frozenset()), 2, {})
    with pytest.raises(RunError, match="missing"):
        next(found)
    assert not multiprocessing.active_children()


def test_leaving_early_ends_the_workers(folder: Path) -> None:
    with closing(by_workers(folder, 2)) as found:
        assert len(next(found))
    assert not multiprocessing.active_children()


def group_members(group: int) -> list[str]:
    """Return the commands of the living processes of a process group."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, _, rest = path.read_text().rpartition(")")
        except OSError:  # ended meanwhile
            continue
        state, _, its_group, *_ = rest.split()
        if int(its_group) == group and state != "Z":
            found.append(name)
    return found


def test_ctrl_c_leaves_no_worker_and_no_half_written_store(folder: Path, tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        textwrap.dedent(f"""
        import sys
        from pathlib import Path
        sys.path.insert(0, {str(ROOT)!r})
        from zone_store.attribution import attribute_into, workers
        from zone_store.run.reader import RunReader

        def slow(block, shares):
            print("ready", flush=True)
            import time
            time.sleep(60)

        workers.share_of = slow
        if __name__ == "__main__":
            folder = Path({str(folder)!r})
            with RunReader(folder) as reader:
                attribute_into(folder, reader, span_ns=1, refresh_bits=96, workers=2)
        """)
    )
    run(folder, 1)
    before = stored(folder)
    with subprocess.Popen(
        [sys.executable, str(program)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # a job in the background of a script ignores it, and so would this
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:
        assert process.stdout is not None
        ready = [process.stdout.readline() for _ in range(2)]
        assert ready == ["ready\n"] * 2, process.communicate(timeout=20)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to all of them
        _, errors = process.communicate(timeout=20)
    assert process.returncode == -signal.SIGINT
    assert errors.count("KeyboardInterrupt") == 1
    deadline = time.monotonic() + 10
    while (left := group_members(process.pid)) and time.monotonic() < deadline:
        time.sleep(0.01)  # multiprocessing's own helper ends a moment after
    assert not left
    assert stored(folder) == before
    assert sorted(p.name for p in folder.iterdir() if "lookups" in p.name) == ["lookups.lmdb"]


def test_small_and_unsealed_runs_take_one_worker(folder: Path) -> None:
    manifest = Manifest(montra_version="0", overlay="mainline", zone="a4/6", start_ns=1, sealed=True, captures=999_999)
    assert workers_for(manifest) == 1
    manifest.captures = 1_000_000
    assert workers_for(manifest) == len(os.sched_getaffinity(0))
    manifest.sealed = False
    assert workers_for(manifest) == 1
