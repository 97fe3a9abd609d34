"""Runs of the real command, and a small lab for those that need a network."""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from montra.lab.process import LabProcess
from montra.lab.settings import LabSettings, WorkloadSettings
from montra.window import shipped

COMMAND = [sys.executable, "-m", "montra.cli.main"]


@dataclass
class Done:
    """What a command left behind."""

    code: int
    out: str
    err: str


def montra(*arguments: str | Path, env: dict[str, str] | None = None, cwd: Path | None = None) -> Done:
    done = subprocess.run(
        [*COMMAND, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=110,
        env={**os.environ, "COLUMNS": "200", **(env or {})},
        cwd=cwd,
    )
    return Done(done.returncode, done.stdout, done.stderr)


@dataclass
class Network:
    """A running lab, and a configuration that fits it."""

    lab: LabProcess
    config: Path


@pytest.fixture(scope="session")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    """A lab of 32 nodes with a steady workload, in addresses of its own."""
    import time

    folder = tmp_path_factory.mktemp("network")
    settings = LabSettings(
        out=str(folder / "lab"),
        nodes=32,
        subnet="127.40",
        workload=WorkloadSettings(lookups=2400, announces=0, duration_s=600),
        autostart=True,
        max_life_s=900,
    )
    with LabProcess(settings) as lab:
        end = time.monotonic() + 60
        while lab.converged is None and time.monotonic() < end:
            time.sleep(0.1)
            lab.poll()
        assert lab.ready is not None
        assert lab.converged is not None
        text = shipped.text("lab").replace("127.100.", "127.141.").replace("127.99.0.1", "127.140.0.1")
        text = text.replace('"127.10.1.1:6881", "127.10.2.1:6881", "127.10.3.1:6881"', _bootstrap(lab))
        text = text.replace('"20881-20884"', '"21981-21984"').replace(":20880", ":21980")
        text = text.replace("127.98.", "127.144.").replace(":20870", ":21970")
        config = folder / "lab.toml"
        config.write_text(text)
        yield Network(lab, config)


def _bootstrap(lab: LabProcess) -> str:
    assert lab.ready is not None
    return ", ".join(f'"{ip}:{port}"' for ip, port in lab.ready.bootstrap)
