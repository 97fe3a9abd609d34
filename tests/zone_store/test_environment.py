"""LMDB environments: how much of a store stays in the memory of who reads it."""

from __future__ import annotations

from pathlib import Path

import pytest

from zone_store.run import environment


def mapped_kib(path: Path) -> int:
    """Return how much of a file's pages this process has mapped in, KiB."""
    total, ours = 0, False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        if "-" in line.split(" ", 1)[0]:
            ours = line.endswith(str(path))
        elif ours and line.startswith("Rss:"):
            total += int(line.split()[1])
    return total


def test_reading_a_large_store_keeps_little_of_it_mapped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values = [bytes([n]) * 100_000 for n in range(100)]
    env = environment.open_writable(tmp_path / "store", 1 << 30)
    database = env.open_db(b"values")
    with env.begin(write=True) as transaction:
        for number, value in enumerate(values):
            transaction.put(environment.number_key(number), value, db=database)
    env.close()
    env = environment.open_readonly(tmp_path / "store", live=False)
    database = environment.open_databases(env, [b"values"])[b"values"]
    data = tmp_path / "store" / "data.mdb"
    assert [value for _, value in environment.items(env, database)] == values
    assert mapped_kib(data) > 9_000
    environment.give_back_pages(env)
    assert mapped_kib(data) == 0
    monkeypatch.setattr(environment, "MOST_MAPPED", 1_000_000)
    most = 0
    for (_, value), wanted in zip(environment.items(env, database), values, strict=True):
        assert value == wanted
        most = max(most, mapped_kib(data))
    # The kernel maps some pages around each that is touched.
    assert 100 < most < 6_000
    env.close()
