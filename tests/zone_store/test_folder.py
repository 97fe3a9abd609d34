"""Run folders: names, the manifest, atomic files, the lock."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import numpy as np
import pytest

from zone_store.keyspace.zone import Zone
from zone_store.run.folder import (
    Manifest,
    RunError,
    create_run,
    file_digest,
    lock_folder,
    read_manifest,
    write_atomic,
    write_manifest,
)

START_NS = 1_795_273_200_000_000_000  # 2026-11-21T15:00:00Z


def manifest() -> Manifest:
    return Manifest(
        montra_version="0.1.0",
        overlay="mainline",
        zone="a4/6",
        start_ns=START_NS,
        parameters={"duration_s": 21600.0, "addresses": ["127.0.1.1"]},
        versions={"lmdb": "3.0.0"},
        host={"cores": 2},
        git="037bc61",
        counters={"malformed": 3},
    )


def test_a_folder_is_named_after_start_overlay_and_zone(tmp_path: Path) -> None:
    folder = create_run(tmp_path / "runs", START_NS + 999_999_999, "mainline", Zone.parse("a4/6"))
    assert folder == tmp_path / "runs" / "20261121T150000Z_mainline_a4-6"
    assert folder.is_dir()
    with pytest.raises(RunError, match="20261121T150000Z_mainline_a4-6 already exists"):
        create_run(tmp_path / "runs", START_NS, "mainline", Zone.parse("a4/6"))


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="cannot create run folder"):
        create_run(tmp_path / "file" / "runs", START_NS, "mainline", Zone.parse("a4/6"))
    with pytest.raises(RunError, match=r"overlay name '\.\./x'"):
        create_run(tmp_path, START_NS, "../x", Zone.parse("a4/6"))


def test_the_manifest_comes_back(tmp_path: Path) -> None:
    write_manifest(tmp_path, manifest())
    assert read_manifest(tmp_path) == manifest()
    assert read_manifest(tmp_path).id_bytes == 20
    text = (tmp_path / "manifest.json").read_text()
    assert text.startswith('{\n  "schema": 1,\n  "montra_version": "0.1.0",\n')
    assert text.endswith("}\n")


def test_numpy_numbers_are_numbers(tmp_path: Path) -> None:
    counted = manifest()
    counted.counters["malformed"] = np.int64(4)
    write_manifest(tmp_path, counted)
    assert read_manifest(tmp_path).counters == {"malformed": 4}
    counted.parameters["path"] = object()
    with pytest.raises(NotImplementedError, match="object cannot be stored"):
        write_manifest(tmp_path, counted)


def test_no_manifest(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"is no run folder: it has no manifest\.json"):
        read_manifest(tmp_path)
    (tmp_path / "manifest.json").mkdir()
    with pytest.raises(RunError, match="cannot read"):
        read_manifest(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": 2}, "has schema 2, this version reads 1"),
        ({"schema": "1"}, "is damaged"),
        ({"start_ns": "yesterday"}, "is damaged"),
        ({"zone": "zz/4"}, "is damaged"),
        ({"id_bits": 7}, "is damaged"),
    ],
)
def test_manifests_that_cannot_be_used(tmp_path: Path, change: dict[str, object], message: str) -> None:
    values = msgspec.to_builtins(manifest()) | change
    (tmp_path / "manifest.json").write_bytes(msgspec.json.encode(values))
    with pytest.raises(RunError, match=message):
        read_manifest(tmp_path)


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"\xff\xfe", b'{"schema": 1}', b"[" * 100_000])
def test_damaged_manifests(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "manifest.json").write_bytes(data)
    with pytest.raises(RunError, match="is damaged"):
        read_manifest(tmp_path)


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "config.toml"
    write_atomic(path, b"old")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RunError, match=r"cannot write .*config\.toml: No space left on device"):
        write_atomic(path, b"new")
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["config.toml"]


def test_digest(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"abc")
    # FIPS 180-2, example B.1
    assert file_digest(tmp_path / "f") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_one_writer_or_many_checkers(tmp_path: Path) -> None:
    first, second = lock_folder(tmp_path, shared=True), lock_folder(tmp_path, shared=True)
    with pytest.raises(RunError, match="in use by another writer"):
        lock_folder(tmp_path)
    os.close(first)
    os.close(second)
    writer = lock_folder(tmp_path)
    with pytest.raises(RunError, match="in use by another writer"):
        lock_folder(tmp_path, shared=True)
    os.close(writer)
    with pytest.raises(RunError, match="cannot open run folder"):
        lock_folder(tmp_path / "missing")
