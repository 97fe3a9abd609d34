"""Workers as processes, at the edges: that cannot be started, that nobody speaks to, that are told nonsense."""

from __future__ import annotations

import socket
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from montra.cli import crew as module
from montra.cli.crew import Crew
from montra.processes.messages import Begin, Failed, Seal, Sealing, encode, reports
from montra.processes.relay import Relay
from montra.processes.share import Sectors
from montra.window.config import Config, Processes
from zone_store.keyspace.zone import Zone
from zone_store.run.folder import RunError
from zone_store.run.verify import verify

SECOND = 1_000_000_000


class Scene:
    """A crew whose clock the test turns; notes what it logs and whether it ended the window."""

    def __init__(self, run: Path, workers: int = 2) -> None:
        self.now_ns = 1_700_000_000 * SECOND
        self.logged: list[tuple[str, dict[str, Any]]] = []
        self.stops = 0
        self.losses: list[object] = []
        clock = SimpleNamespace(now_ns=lambda: self.now_ns, epoch_ns=0)
        window = SimpleNamespace(recorder=SimpleNamespace(loss=self.losses.append), totals=SimpleNamespace(captures=0))
        relay = Relay(Sectors(Zone.parse("a4/6"), workers), 20, 1.0, 100)
        config = Config(zone="a4/6", seed=1, processes=Processes(workers=workers))
        self.crew = Crew(
            config,
            relay,
            window,  # type: ignore[arg-type]
            run,
            clock,  # type: ignore[arg-type]
            self.now_ns,
            lambda: None,
            self.stop,
            lambda event, **more: self.logged.append((event, more)),
        )

    def stop(self) -> None:
        self.stops += 1

    def look(self) -> None:
        self.now_ns += SECOND
        self.crew._look()


def test_workers_that_cannot_be_started_end_the_window(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(errors: Path) -> None:
        raise OSError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(module, "_spawn", refuse)
    scene = Scene(tmp_path)
    for _ in range(60):
        scene.look()
    assert scene.stops
    assert len(scene.logged) == 12, "six tries for each"
    assert {event for event, _ in scene.logged} == {"worker died"}
    assert isinstance(scene.crew.failure, RunError)
    assert "Resource temporarily unavailable" in str(scene.crew.failure)
    assert scene.crew.trouble().startswith("2 of 2 workers down")
    scene.crew.seal("partial")
    assert len(scene.losses) == 2


def spoken(tmp_path: Path, *sent: bytes) -> tuple[int, bytes, str]:
    """Start a worker, send it this, close the pipe; returns its exit code, what it said, its standard error."""
    errors = tmp_path / "stderr.txt"
    process, ours = module._spawn(errors)
    got = b""
    with ours:
        ours.settimeout(30)
        for data in sent:
            ours.sendall(data)
        ours.shutdown(socket.SHUT_WR)
        while data := ours.recv(1 << 16):
            got += data
    return process.wait(30), got, errors.read_text()


def test_a_worker_that_nobody_speaks_to_ends(tmp_path: Path) -> None:
    code, got, said = spoken(tmp_path)
    assert (code, got) == (1, b"")
    assert said.strip().endswith("no first order: the parent is no more")


@pytest.mark.parametrize("sent", [b"\xff" * 8, b"\x00\x00\x00\x02hi", encode(Seal("complete"))])
def test_a_worker_that_is_told_nonsense_ends(tmp_path: Path, sent: bytes) -> None:
    code, got, said = spoken(tmp_path, sent)
    assert (code, got) == (1, b"")
    assert "MessageError" in said


def test_a_configuration_that_is_none_is_told(tmp_path: Path) -> None:
    begin = Begin({"zone": "a4/6", "zoen": 1}, 0, 0, 1, str(tmp_path), 0, 5)
    code, got, _ = spoken(tmp_path, encode(begin))
    (report,) = reports().feed(got)
    assert code == 1
    assert isinstance(report, Failed)
    assert "unknown key zoen" in report.reason


def test_a_worker_whose_parent_is_gone_at_once_leaves_a_sealed_shard(tmp_path: Path) -> None:
    config = {
        "zone": "a4/6",
        "seed": 1,
        "addresses": {
            "crawler": "127.174.250.1:24900",
            "monitors": ["127.174.251.0/24"],
            "ports": "24901-24902",
        },
        "processes": {"workers": 2},
    }
    (tmp_path / "shard").mkdir()
    begin = Begin(config, 1, 0, 1, str(tmp_path / "shard"), 0, 5)
    code, got, said = spoken(tmp_path, encode(begin))
    assert code == 0, said
    assert [type(report) for report in reports().feed(got)][-1] is Sealing

    report = verify(tmp_path / "shard")
    assert (report.ok, report.sealed) == (True, True)


def test_how_processes_end() -> None:
    assert module._how(-9, "") == "ended by SIGKILL"
    assert module._how(1, "Traceback\nValueError: x") == "ended with code 1: ValueError: x"
    assert module._how(3, "") == "ended with code 3"
