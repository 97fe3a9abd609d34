"""Writing a run: commits beside the caller, stalled and full disks, kill -9, sealing, going on after a crash."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import zstandard

import zone_store
from zone_store.captures import Attachment, Captures, CrawlRow, Loss
from zone_store.run.folder import Manifest, RunError, read_manifest
from zone_store.run.reader import RunReader
from zone_store.run.store import Batch, CaptureStore, StoreLimits
from zone_store.run.verify import verify
from zone_store.run.writer import RunWriter

START_NS = 1_795_273_200_000_000_000
ROOT = Path(zone_store.__file__).parents[1]

Make = Callable[..., Captures]
NewRun = Callable[..., RunWriter]

#: What the scripts below begin with: a writer of random, hence incompressible captures.
PRELUDE = """
import json, sys
from pathlib import Path
import numpy as np
from zone_store.captures import Attachment, Captures
from zone_store.run.folder import Manifest, RunError
from zone_store.run.store import StoreLimits
from zone_store.run.verify import verify
from zone_store.run.writer import RunWriter

START_NS = 1_795_273_200_000_000_000
rng = np.random.default_rng(1)

def captures(first, n):
    ids = rng.integers(0, 256, (n, 20), dtype=np.uint8)
    zeros = np.zeros(n, np.uint32)
    return Captures(START_NS + np.arange(first, first + n), zeros + 1, rng.integers(0, 2**32, n, dtype=np.uint32),
                    zeros.astype(np.uint16), ids, ids[::-1].copy(), zeros.astype(np.uint8), zeros.astype(np.uint16),
                    zeros, zeros.astype(np.uint16))

def start(limits):
    folder = Path(sys.argv[1])
    folder.mkdir(exist_ok=True)
    manifest = Manifest(montra_version="0.1.0", overlay="mainline", zone="a4/6", start_ns=START_NS)
    writer = RunWriter(folder, manifest, "seed = 1\\n", limits)
    writer.attachment(Attachment(1, bytes(20), 1, 1, bytes(20), 2, 2, START_NS))
    return writer
"""


def command(script: str, *arguments: str) -> list[str]:
    return [sys.executable, "-c", PRELUDE + textwrap.dedent(script), *arguments]


def run_script(script: str, *arguments: str) -> dict[str, object]:
    """Run a script in a process of its own and return the JSON it prints."""
    done = subprocess.run(
        command(script, *arguments),
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    printed: dict[str, object] = json.loads(done.stdout)
    return printed


def ports(folder: Path) -> list[int]:
    """Return the source ports of all captures: the numbers of the rows that `captures_at` made."""
    with RunReader(folder) as reader:
        return [port for captures in reader.captures() for port in captures.source_port.tolist()]


class Stall:
    """Holds every commit until released."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.released = threading.Event()
        self.commits: list[int] = []
        real = CaptureStore.commit

        def commit(store: CaptureStore, batch: Batch) -> None:
            assert self.released.wait(30)
            self.commits.append(batch.rows)
            real(store, batch)

        monkeypatch.setattr(CaptureStore, "commit", commit)


def test_a_run_is_written_and_sealed(sealed_run: Path) -> None:
    assert sorted(path.name for path in sealed_run.iterdir()) == [
        "SHA256SUMS",
        "capture.lmdb",
        "config.toml",
        "log.jsonl",
        "manifest.json",
        "status.csv",
    ]
    assert [path.name for path in (sealed_run / "capture.lmdb").iterdir()] == ["data.mdb"]
    manifest = read_manifest(sealed_run)
    assert manifest.sealed
    assert (manifest.captures, manifest.attachments, manifest.crawls) == (10_000, 2, 1)
    assert (manifest.end_ns, manifest.exit) == (START_NS + 10_000, "complete")
    assert manifest.counters == {"captured": 10_000}
    assert manifest.store_format == "lmdb-0.9"
    assert (sealed_run / "config.toml").read_text() == "seed = 1\n"
    assert ports(sealed_run) == list(range(1, 10_001))


def test_the_sums_are_those_of_sha256sum(sealed_run: Path) -> None:
    done = subprocess.run(["sha256sum", "--strict", "-c", "SHA256SUMS"], cwd=sealed_run, capture_output=True, text=True)
    assert done.returncode == 0
    assert done.stdout.splitlines() == [
        "manifest.json: OK",
        "config.toml: OK",
        "capture.lmdb/data.mdb: OK",
        "status.csv: OK",
        "log.jsonl: OK",
    ]


def test_before_sealing_the_manifest_says_so(new_run: NewRun) -> None:
    with new_run() as writer:
        manifest = read_manifest(writer.folder)
        assert not manifest.sealed
        assert manifest.end_ns == 0
        assert manifest.store_format == "lmdb-0.9"
        assert manifest.versions == {"zstd": ".".join(map(str, zstandard.ZSTD_VERSION))}


def test_a_folder_has_one_store_and_one_writer(new_run: NewRun, sealed_run: Path) -> None:
    manifest = Manifest(montra_version="0.1.0", overlay="mainline", zone="a4/6", start_ns=START_NS)
    with pytest.raises(RunError, match="already has a store"):
        RunWriter(sealed_run, manifest, "")
    with pytest.raises(RunError, match="is sealed and cannot be written to"):
        RunWriter.resume(sealed_run)
    with new_run("other") as writer, pytest.raises(RunError, match="in use by another writer"):
        RunWriter.resume(writer.folder)
    with pytest.raises(RunError, match="cannot open run folder"):
        RunWriter(sealed_run / "missing", manifest, "")


def test_a_closed_writer_takes_nothing(new_run: NewRun, captures_at: Make) -> None:
    writer = new_run()
    writer.captures(captures_at([1]))
    writer.close()
    writer.close()
    with pytest.raises(RunError, match="is closed for writing"):
        writer.captures(captures_at([2]))
    with pytest.raises(RunError, match="resume it to seal it"):
        writer.seal(START_NS, "complete")
    assert ports(writer.folder) == [1]
    again = RunWriter.resume(writer.folder)
    again.seal(START_NS, "complete")
    with pytest.raises(RunError, match="is sealed already"):
        again.seal(START_NS, "complete")


def test_the_caller_never_waits_and_small_calls_become_blocks(
    new_run: NewRun, captures_at: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    stall = Stall(monkeypatch)
    writer = new_run(limits=StoreLimits(block_rows=100))
    for first in range(0, 1000, 10):
        writer.captures(captures_at(range(first, first + 10), first_port=first))
    assert writer.pending == 1000  # the first hundred in flight, the rest behind it
    assert stall.commits == []
    stall.released.set()
    writer.drain()
    assert writer.pending == 0
    assert stall.commits == [100, 900]
    assert writer.last_ns == START_NS + 999
    writer.seal(START_NS + 1000, "complete")
    with RunReader(writer.folder) as reader:
        assert len(list(reader.capture_blocks())) == 10
    assert ports(writer.folder) == list(range(1000))


def test_small_tables_are_joined_and_large_ones_left_to_the_pool(new_run: NewRun, captures_at: Make) -> None:
    writer = new_run()
    for first in range(256):
        writer.captures(captures_at([first], first_port=first))
    assert [len(table) for table in writer._batch.captures] == [256]
    for first in range(256, 256 + 256 * 64, 64):
        writer.captures(captures_at(range(first, first + 64), first_port=first))
    assert [len(table) for table in writer._batch.captures] == [256] + [64] * 256
    writer.seal(START_NS, "complete")
    assert ports(writer.folder) == list(range(256 + 256 * 64))


def test_flush_commits_what_is_there(new_run: NewRun, captures_at: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    stall = Stall(monkeypatch)
    writer = new_run()
    writer.flush()
    assert writer._in_flight is None  # nothing to write, nothing written
    writer.captures(captures_at([1, 2, 3]))
    writer.flush()
    stall.released.set()
    writer.drain()
    assert stall.commits == [3]
    writer.close()


def test_a_stalled_disk_costs_captures_that_are_counted(
    new_run: NewRun, captures_at: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    stall = Stall(monkeypatch)
    writer = new_run(limits=StoreLimits(block_rows=100), max_pending=250)
    for first in range(0, 400, 40):
        writer.captures(captures_at(range(first, first + 40), first_port=first))
    assert writer.pending == 250
    assert writer.losses() == [Loss("store_overflow", START_NS + 250, START_NS + 399, 150)]
    assert writer.losses() == []
    stall.released.set()
    writer.drain()
    writer.captures(captures_at([400], first_port=400))
    manifest = writer.seal(START_NS + 500, "complete")
    assert manifest.captures == 251
    assert manifest.counters == {"store_overflow": 150}
    assert ports(writer.folder) == [*range(250), 400]
    with RunReader(writer.folder) as reader:
        assert reader.losses() == [Loss("store_overflow", START_NS + 250, START_NS + 399, 150)]


def test_ledger_rows_do_not_pile_up_while_the_disk_stalls(new_run: NewRun, monkeypatch: pytest.MonkeyPatch) -> None:
    stall = Stall(monkeypatch)
    writer = new_run()
    for i in range(10_000):
        writer.loss(Loss(("malformed", "rate_limited")[i % 2], START_NS + i, START_NS + i + 1, 2))
    assert writer._batch.records < 5000
    stall.released.set()
    writer.seal(START_NS, "complete")
    with RunReader(writer.folder) as reader:
        losses = reader.losses()
    assert sum(loss.count for loss in losses if loss.name == "malformed") == 10_000
    assert losses[0] == Loss("malformed", START_NS, losses[0].end_ns, losses[0].count)
    assert max(loss.end_ns for loss in losses) == START_NS + 10_000


def test_records_are_replaced_by_number(
    new_run: NewRun, attachment: Callable[..., Attachment], crawl: Callable[[int], CrawlRow]
) -> None:
    writer = new_run()
    first, last = attachment(7), attachment(7)
    last.visible = ((START_NS, START_NS + 5), (START_NS + 9, 0))
    last.lost_ns, last.reason = np.int64(START_NS + 20), "silent"
    writer.attachment(first)
    writer.drain()
    writer.attachment(last)
    writer.attachment(attachment(3))
    writer.crawl(crawl(2))
    writer.crawl(crawl(1))
    writer.crawl(crawl(2))
    manifest = writer.seal(START_NS, "complete")
    assert (manifest.attachments, manifest.crawls) == (2, 2)
    with RunReader(writer.folder) as reader:
        assert reader.attachments() == [attachment(3), last]
        assert reader.crawls() == [crawl(1), crawl(2)]


def test_captures_of_another_overlay_are_a_mistake(new_run: NewRun) -> None:
    with new_run() as writer:
        writer.captures(Captures.empty(16))
        with pytest.raises(ValueError, match="IDs of 16 bytes in a run of 20"):
            writer.captures(Captures(*(np.zeros((1, 16) if i in (4, 5) else 1, np.uint8) for i in range(10))))


def test_an_unforeseen_error_is_told_and_the_run_still_seals(
    new_run: NewRun, captures_at: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(store: CaptureStore, batch: Batch) -> None:
        raise ZeroDivisionError("no reason")

    writer = new_run()
    writer.captures(captures_at([1, 2]))
    monkeypatch.setattr(CaptureStore, "commit", broken)
    with pytest.raises(RunError, match=r"cannot write .*ZeroDivisionError\('no reason'\)"):
        writer.drain()
    writer.loss(Loss("gap", 1, 2, 1))
    assert writer.seal(START_NS, "error").counters == {"store_failed": 2, "store_failed_records": 1}
    assert verify(writer.folder).ok


def random_keys(captures: Captures) -> Captures:
    """Return captures of as many lookups, which do not compress."""
    captures.key = np.random.default_rng(len(captures)).integers(0, 256, captures.key.shape, np.uint8)
    return captures


def test_the_map_grows(new_run: NewRun, captures_at: Make) -> None:
    writer = new_run(limits=StoreLimits(block_rows=1000, map_size=1 << 16))
    for first in range(0, 20_000, 1000):
        writer.captures(random_keys(captures_at(range(first, first + 1000), first_port=first)))
    writer.seal(START_NS, "complete")
    assert (writer.folder / "capture.lmdb" / "data.mdb").stat().st_size > 1 << 17
    assert ports(writer.folder) == list(range(20_000))


def test_a_full_map_is_one_clear_error_and_what_was_committed_stays(
    new_run: NewRun, captures_at: Make, attachment: Callable[..., Attachment]
) -> None:
    writer = new_run(limits=StoreLimits(block_rows=1000, map_size=1 << 17, max_map_size=1 << 18))
    writer.attachment(attachment(1))
    committed = 0
    with pytest.raises(RunError) as caught:  # noqa: PT012 - the round that fills the map is not known beforehand
        while committed < 100_000:
            writer.captures(random_keys(captures_at(range(committed, committed + 1000), first_port=committed)))
            writer.drain()
            committed += 1000
    assert str(caught.value).endswith("capture.lmdb has reached its limit of 262144 bytes")
    assert str(caught.value).startswith("store full: ")
    assert committed > 0
    assert writer.pending == 1000
    manifest = writer.seal(START_NS, "store full")
    assert manifest.captures == committed
    assert manifest.counters == {"store_failed": 1000}
    assert ports(writer.folder) == list(range(committed))
    report = verify(writer.folder)
    assert report.problems == []
    assert report.sealed


@pytest.fixture
def free_disk(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The free bytes that the store sees: write to item 0."""
    free = [1 << 40]

    class Disk:
        def __init__(self, path: Path) -> None:
            self.f_frsize = 1
            self.f_bavail = free[0]

    monkeypatch.setattr(os, "statvfs", Disk)
    return free


def test_little_free_disk_stops_writing_before_it_is_none(
    new_run: NewRun, captures_at: Make, attachment: Callable[..., Attachment], free_disk: list[int]
) -> None:
    writer = new_run(limits=StoreLimits(min_free_bytes=2 << 20))
    writer.attachment(attachment(1))
    writer.captures(captures_at([1, 2], first_port=1))
    writer.drain()
    free_disk[0] = 1 << 20
    writer.captures(captures_at([3], first_port=3))
    with pytest.raises(RunError, match=r"disk full: 1\.0 MiB free for .*capture\.lmdb, 2\.0 MiB are kept to seal"):
        writer.drain()
    assert writer.seal(START_NS, "disk full").counters == {"store_failed": 1}
    assert verify(writer.folder).problems == []
    assert ports(writer.folder) == [1, 2]


def test_no_run_begins_on_a_full_disk(new_run: NewRun, free_disk: list[int]) -> None:
    free_disk[0] = 0
    with pytest.raises(RunError, match=r"disk full: 0\.0 MiB free"):
        new_run()


def test_an_error_is_raised_by_the_next_call_which_loses_nothing(
    new_run: NewRun, captures_at: Make, free_disk: list[int]
) -> None:
    writer = new_run(limits=StoreLimits(block_rows=2, min_free_bytes=100))
    free_disk[0] = 0
    writer.captures(captures_at([1, 2], first_port=1))
    writer._in_flight[1].exception(timeout=30)
    with pytest.raises(RunError, match="disk full"):
        writer.captures(captures_at([3], first_port=3))
    free_disk[0] = 200  # somebody made room
    writer.drain()
    assert writer.pending == 0
    assert writer.seal(START_NS, "complete").counters == {}
    assert ports(writer.folder) == [1, 2, 3]


def test_a_file_size_limit_is_an_error_like_any_other(tmp_path: Path) -> None:
    found = run_script(
        """
        import resource
        writer = start(StoreLimits(block_rows=1000, min_free_bytes=0))
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
        committed, error = 0, ""
        while not error:
            try:
                writer.captures(captures(committed, 1000))
                writer.drain()
                committed += 1000
            except RunError as raised:
                error = str(raised)
        manifest = writer.seal(START_NS + committed, "disk full")
        report = verify(writer.folder)
        print(json.dumps([error, committed, manifest.captures, manifest.counters, report.ok, report.sealed]))
        """,
        str(tmp_path / "run"),
    )
    error, committed, captured, counters, ok, sealed = found
    # LMDB calls any write cut short EIO.
    assert error == f"cannot write {tmp_path}/run/capture.lmdb (Input/output error)"
    assert committed > 5000
    assert captured == committed
    assert counters == {"store_failed": 1000}
    assert (ok, sealed) == (True, True)


def test_a_full_file_system_leaves_what_was_committed(tmp_path: Path) -> None:
    """On a real small file system: the store fills it, not even the manifest fits, and with room again it seals."""
    script = """
        import os
        from zone_store.run.reader import RunReader
        writer = start(StoreLimits(block_rows=1000, min_free_bytes=0))
        ballast = writer.folder.parent / "ballast"
        ballast.write_bytes(bytes(200_000))
        committed, error, unsealed = 0, "", ""
        while not error:
            try:
                writer.captures(captures(committed, 1000))
                writer.drain()
                committed += 1000
            except RunError as raised:
                error = str(raised)
        try:
            with (writer.folder.parent / "rest").open("wb", buffering=0) as rest:
                while rest.write(bytes(512)):
                    pass
        except OSError:
            pass
        try:
            writer.seal(START_NS + committed, "disk full")
        except RunError as raised:
            unsealed = str(raised)
        between = verify(writer.folder)
        ballast.unlink()
        manifest = writer.seal(START_NS + committed, "disk full")
        after = verify(writer.folder)
        with RunReader(writer.folder) as reader:
            read = sum(map(len, reader.captures()))
        print(json.dumps([error, committed, unsealed, between.captures, between.sealed,
                          manifest.captures, manifest.counters, after.ok, after.sealed, read]))
    """
    mount = tmp_path / "small"
    mount.mkdir()
    # In a mount namespace of its own: nothing stays mounted, whatever happens to the script.
    unshare = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--user", "--map-root-user", "--mount"]
    if os.geteuid() != 0 and subprocess.run([*unshare, "true"], capture_output=True).returncode != 0:
        pytest.skip("neither root nor user namespaces")
    inner = command(script, str(mount / "run"))
    done = subprocess.run(
        [*unshare, "sh", "-c", f'mount -t tmpfs -o size=4m none "{mount}" && exec "$@"', "sh", *inner],
        env=os.environ | {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    error, committed, unsealed, between, sealed, captured, counters, ok, resealed, read = json.loads(done.stdout)
    assert error == f"disk full: cannot write {mount}/run/capture.lmdb (Input/output error)"
    assert unsealed.startswith("cannot write ")
    assert unsealed.endswith(": No space left on device")
    assert committed > 20_000
    assert (between, sealed) == (committed, False)
    assert (captured, read) == (committed, committed)
    assert counters == {"store_failed": 1000}
    assert (ok, resealed) == (True, True)


def test_after_kill_9_the_store_opens_and_the_run_goes_on(tmp_path: Path, captures_at: Make) -> None:
    folder = tmp_path / "run"
    script = """
        writer = start(StoreLimits(block_rows=500))
        first = 0
        while True:
            writer.captures(captures(first, 100))
            first += 100
            if first % 5000 == 0:
                writer.drain()
                print(first, flush=True)
    """
    process = subprocess.Popen(
        command(script, str(folder)), env=os.environ | {"PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout is not None
        committed = 0
        while committed < 20_000:
            committed = int(process.stdout.readline())
        process.send_signal(signal.SIGKILL)
        committed = int(([line for line in process.stdout if line.endswith("\n")] or [committed])[-1])
    assert process.returncode == -signal.SIGKILL

    report = verify(folder)
    assert report.problems == []
    assert not report.sealed
    assert report.captures >= committed

    writer = RunWriter.resume(folder)
    assert writer.last_ns == START_NS + report.captures - 1
    writer.loss(Loss("gap", writer.last_ns, START_NS + 10**9, 1))
    writer.captures(captures_at([10**9], first_port=65535))
    assert writer.seal(START_NS + 2 * 10**9, "complete").captures == report.captures + 1
    with RunReader(folder) as reader:
        times = np.concatenate([captures.time_ns for captures in reader.captures()])
    assert times.tolist() == [*range(START_NS, START_NS + report.captures), START_NS + 10**9]


def test_a_run_without_its_store_is_not_resumed(new_run: NewRun) -> None:
    writer = new_run()
    writer.close()
    (writer.folder / "capture.lmdb" / "data.mdb").unlink()
    with pytest.raises(RunError, match=r"has lost its store: capture\.lmdb/data\.mdb is missing"):
        RunWriter.resume(writer.folder)
    assert not (writer.folder / "capture.lmdb" / "data.mdb").exists()


@pytest.mark.parametrize(
    "limits", [{"block_rows": 0}, {"block_rows": 1 << 20}, {"map_size": 0}, {"map_size": 2, "max_map_size": 1}]
)
def test_limits_that_make_no_sense(limits: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="must be"):
        StoreLimits(**limits)
