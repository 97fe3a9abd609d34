"""canaries.jsonl: written, read, cut off, damaged, sealed, verified and merged with its run."""

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from zone_store.run.canaries import CanaryLog, CanaryLookup, read_canaries
from zone_store.run.folder import RunError
from zone_store.run.merge import merge
from zone_store.run.verify import verify
from zone_store.run.writer import RunWriter

START_NS = 1_795_273_200_000_000_000


def lookup(t_ns: int) -> CanaryLookup:
    return CanaryLookup(
        t_ns=START_NS + t_ns,
        end_ns=START_NS + t_ns + 9,
        requester="10" * 20,
        ip=0x7F620001,
        port=20870,
        key="a5" * 20,
        asked=[(0x7F0A0101, 6881, START_NS + t_ns + 1), (0x7F640101, 20881, START_NS + t_ns + 2)],
        answered=[("a4" * 20, 0x7F0A0101, 6881, START_NS + t_ns + 3)],
    )


def write(folder: Path, *lookups: CanaryLookup) -> None:
    with CanaryLog(folder) as log:
        for one in lookups:
            log.write(one)


def test_what_was_written_is_read(tmp_path: Path) -> None:
    assert list(read_canaries(tmp_path)) == []
    write(tmp_path, lookup(1))
    write(tmp_path, lookup(2), lookup(3))
    assert list(read_canaries(tmp_path)) == [lookup(1), lookup(2), lookup(3)]
    # a crash in the middle of a line
    path = tmp_path / "canaries.jsonl"
    path.write_bytes(path.read_bytes()[:-1])
    assert list(read_canaries(tmp_path)) == [lookup(1), lookup(2)]


@pytest.mark.parametrize("line", [b"{}\n", b"junk\n", b'{"t_ns":1', b"[" * 100_000 + b"\n"])
def test_damage_is_told_with_its_line(tmp_path: Path, line: bytes) -> None:
    write(tmp_path, lookup(1))
    with (tmp_path / "canaries.jsonl").open("ab") as file:
        file.write(line)
    if line.endswith(b"\n"):
        with pytest.raises(RunError, match=r"canaries.jsonl of .*: line 2"):
            list(read_canaries(tmp_path))
    else:
        assert len(list(read_canaries(tmp_path))) == 1


@pytest.mark.parametrize(
    "damage",
    [
        {"key": "no key"},
        {"key": "a5"},  # shorter than the requester's ID
        {"requester": "10"},
        {"answered": [("a4", 1, 1, 1)]},
        {"ip": 1 << 32},
        {"port": -1},
        {"asked": [(1 << 40, 1, 1)]},
        {"answered": [("a4" * 20, 1, 1 << 16, 1)]},
    ],
)
def test_what_no_canary_can_have_is_damage(tmp_path: Path, damage: dict[str, object]) -> None:
    write(tmp_path, msgspec.structs.replace(lookup(1), **damage))
    with pytest.raises(RunError, match="line 1"):
        list(read_canaries(tmp_path))


def test_the_file_is_bounded_and_says_so(tmp_path: Path) -> None:
    write(tmp_path, lookup(1))
    size = (tmp_path / "canaries.jsonl").stat().st_size
    with CanaryLog(tmp_path, max_bytes=2 * size + 5) as log:
        for t_ns in (2, 3, 4):
            log.write(lookup(t_ns))
        assert log.dropped == 2
    assert len(list(read_canaries(tmp_path))) == 2


def test_sealed_verified_and_merged_with_the_run(new_run: Callable[..., RunWriter], tmp_path: Path) -> None:
    folders = []
    for name, begin, times in (("a", 0, (5, 50)), ("b", 10, (20,)), ("c", 20, ())):
        writer = new_run(name, zone="a4/6", start_ns=START_NS + begin)
        if times:
            write(writer.folder, *map(lookup, times))
        writer.seal(START_NS + 100, "complete")
        folders.append(writer.folder)
    assert "canaries.jsonl" in (folders[0] / "SHA256SUMS").read_text()
    assert "canaries.jsonl" not in (folders[2] / "SHA256SUMS").read_text()
    assert (verify(folders[0]).problems, verify(folders[0]).canaries) == ([], 2)

    merged = merge(folders, tmp_path / "runs")
    assert list(read_canaries(merged)) == [lookup(5), lookup(20), lookup(50)]
    assert (verify(merged).problems, verify(merged).canaries) == ([], 3)

    write(folders[0], lookup(60))
    assert verify(folders[0]).problems == ["canaries.jsonl is not what was sealed: its SHA-256 differs"]
