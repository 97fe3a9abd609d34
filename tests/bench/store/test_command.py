"""`montra bench store`: every system gives back the rows it was given, and what does not is told."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from bench.store import command, rows
from bench.store.process import SYSTEMS, load
from bench.store.window import Mix, Window
from zone_store.captures import Captures

MIX = Mix(rate=1000.0, monitors=128, keys=500)


@pytest.fixture
def source(tmp_path: Path) -> tuple[Path, str, str]:
    path = tmp_path / "rows"
    return path, *rows.write(path, Window(MIX), 5000)


def test_the_file_holds_the_rows_in_order_of_arrival(source: tuple[Path, str, str]) -> None:
    path, arrival, time = source
    assert path.stat().st_size == 5000 * 67
    table = Captures.concat(list(rows.read(path)), 20)
    assert rows.digest([table]) == arrival
    assert arrival != time
    # Sorted within each read of 512 by socket first; by time, they are those of the window.
    sockets = table.attachment[:512] % rows.SOCKETS
    assert bool((np.diff(sockets.astype(int)) >= 0).all())
    assert rows.digest([table.take(np.argsort(table.time_ns, kind="stable"))]) == time
    assert rows.digest([table.between(0, 7), table.between(7, 5000)]) == arrival
    table.port[4999] ^= 1
    assert rows.digest([table]) != arrival


@pytest.mark.parametrize("system", SYSTEMS)
def test_each_system_gives_back_the_rows(system: str, tmp_path: Path, source: tuple[Path, str, str]) -> None:
    path, arrival, time = source
    module = load(system)
    folder = tmp_path / "store"
    folder.mkdir()
    module.write(folder, rows.read(path))
    found = list(module.read(folder))
    assert sum(map(len, found)) == 5000
    assert rows.digest(found) == {"arrival": arrival, "time": time}[module.ORDER]


@pytest.mark.slow
def test_the_whole_benchmark() -> None:
    done = CliRunner().invoke(
        command.command, ["--rows", "3000", "--monitors", "128", "--rounds", "1", "--sizes", "1000,2000", "--json"]
    )
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found["problems"] == []
    assert set(found["figures"]) == set(SYSTEMS)
    assert set(found["rounds"][0]["montra"]) >= {command.BYTES, command.WRITE, command.READ, command.LONGEST}
    assert found["rounds"][0]["records"][command.BYTES] > found["rounds"][0]["montra"][command.BYTES] > 5
    assert [curve["sizes"] for curve in found["curves"]] == [[1000, 2000]] * 3
    assert found["goals"][0]["wanted"] == "at most 30"


def test_rows_that_do_not_come_back_are_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = command._Rows(tmp_path, MIX, 1000)
    answers = {"write": {"seconds": 1, "cpu": 1, "peak": 1, "own": {}}}
    monkeypatch.setattr(command, "_run", lambda system, action, *paths: answers[action])
    answers["read"] = {"seconds": 1, "cpu": 1, "peak": 1, "rows": 999, "order": "time", "digest": ""}
    problems: list[str] = []
    command._measure(tmp_path, "montra", source, problems)
    answers["read"] = answers["read"] | {"rows": 1000, "digest": source.digests["arrival"]}
    command._measure(tmp_path, "montra", source, problems)
    answers["read"] = answers["read"] | {"order": "arrival"}
    command._measure(tmp_path, "montra", source, problems)
    assert problems == [
        "montra: 1000 rows written, 999 read",
        "montra: the rows read are not those written",
    ]
