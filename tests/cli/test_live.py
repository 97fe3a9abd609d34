"""A window with canaries on a lab in another process, validated from inside by instruments of their own."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("libtorrent")

from montra.lab.process import LabProcess
from montra.lab.settings import LabSettings, WorkloadSettings
from montra.validation.canaries import canary_truth
from montra.validation.compare import compare
from montra.validation.wilson import Proportion
from montra.window import shipped
from montra.window.analyze import analyze_runs

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

ROOT = Path(__file__).resolve().parents[2]
MONTRA = [sys.executable, "-m", "montra.cli.main"]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "200"}


def wait_for_run(parent: Path, monitor: subprocess.Popen[str]) -> Path:
    end = time.monotonic() + 60
    while time.monotonic() < end and monitor.poll() is None:
        found = [path.parent for path in parent.glob("*/manifest.json")]
        if found:
            return found[0]
        time.sleep(0.1)
    raise AssertionError(monitor.communicate(timeout=10))


def agree(one: Proportion, other: Proportion) -> bool:
    return one.low <= other.high and other.low <= one.high


def live(run: Path, *more: str) -> tuple[int, dict[str, Any], str]:
    done = subprocess.run(
        [*MONTRA, "validate", "live", str(run), "--json", *more],
        capture_output=True,
        text=True,
        timeout=200,
        env=ENVIRONMENT,
    )
    return done.returncode, json.loads(done.stdout or "{}"), done.stderr


def test_canaries_and_instruments_agree_with_the_lab(tmp_path: Path) -> None:
    config = tmp_path / "lab.toml"
    config.write_text(shipped.text("lab").replace("per_minute = 60", "per_minute = 300"))
    workload = WorkloadSettings(lookups=80, announces=0, duration_s=18.0, info_hashes=80, zipf=0.0, settle_s=3.0)
    settings = LabSettings(out=str(tmp_path / "lab"), nodes=24, workload=workload)
    with LabProcess(settings) as lab:
        while lab.converged is None:
            lab.poll()
            time.sleep(0.1)
        monitor = subprocess.Popen(
            [*MONTRA, "monitor", "-c", str(config), "--duration", "36s", "--runs", str(tmp_path / "runs")],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=ENVIRONMENT,
        )
        run = wait_for_run(tmp_path / "runs", monitor)
        time.sleep(8)
        since_ns = time.time_ns()
        lab.go()
        spans = "--settle", "6s", "--duration", "8s", "--drain", "2s"
        code, told, error = live(run, "--lookups", "40", *spans, "-o", str(tmp_path / "live"))
        assert code == 0, error
        said, _ = monitor.communicate(timeout=100)
        assert monitor.returncode == 0, said
        while lab.done is None:
            lab.poll()
            time.sleep(0.1)
    # from the sources' side, while the window was open
    assert told["capture"]["trials"] >= 35
    assert told["capture"]["share"] >= 0.8
    assert told["destination"]["share"] >= 0.8
    heard = told["destinations_heard"]
    assert heard["nodes"] == 6
    assert heard["attached"] >= 3
    assert heard["messages"] >= 10
    assert (told["seed"], told["clients"]["libtorrent"][:2]) == (1, "2.")
    assert told["command"].startswith("montra validate live")

    (analysis,) = analyze_runs([run])
    assert analysis.trust.canaries is not None
    assert analysis.trust.canaries.lookups >= 100
    truth = canary_truth(run)
    assert truth is not None
    by_canaries = compare(run, truth, since_ns=since_ns)
    by_lab = compare(run, tmp_path / "lab", since_ns=since_ns)
    assert by_lab.capture.trials >= 60
    assert by_canaries.capture.trials >= 60
    assert agree(by_canaries.capture, by_lab.capture)
    # not so of destinations: some are instruments, of which the lab knows nothing
    assert by_canaries.destination.share >= 0.75
    # canaries are nobody's lookups
    assert by_lab.unexplained.share <= 0.5  # the instruments' lookups are not the lab's, and the canaries' do not count

    # the same log against the sealed run
    code, again, error = live(run, "--again", "-o", str(tmp_path / "live"))
    assert code == 0, error
    assert again["capture"]["trials"] == told["capture"]["trials"]
    assert again["capture"]["hits"] >= told["capture"]["hits"]
    assert json.loads((run / "validation.json").read_bytes())["causes"] == again["causes"]
    code, _, error = live(run)
    assert code == 1
    assert "is over" in error
