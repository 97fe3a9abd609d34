"""`montra validate kad-disruption`: what it refuses, what it writes, and that it plays a failed network again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from montra.cli.validate import kad_disruption
from montra.lab.kad import programs
from montra.lab.settings import LabError
from montra.validation.kad_disruption import Measures
from montra.validation.kad_identified import Identified
from montra.validation.wilson import wilson


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Play no network but note which were asked for; stores take 10 s and the seed's, with monitors 2 s more."""
    calls: list[tuple[str, int]] = []

    def play(arm: str, settings: Any, *_: object) -> tuple[Measures, Identified | None, dict[str, Any]]:
        calls.append((arm, settings.seed))
        if calls == [("none", 3)]:
            raise LabError("an amuled has ended by itself")
        numbers = dict.fromkeys(Measures.__dataclass_fields__, 1.0)
        measures = Measures(**numbers | {"store_s": 10.0 + settings.seed + 2 * (arm != "none")})  # type: ignore[arg-type]
        share = wilson(9, 10)
        return measures, Identified(share, share, share, 0, 0) if arm == "once" else None, {"unread": 0}

    monkeypatch.setattr(kad_disruption, "_play", play)
    monkeypatch.setattr(programs, "missing", lambda _: [])
    monkeypatch.setattr(programs, "releases", lambda: {"amuled": "aMuleD 2.3.3"})
    return calls


def test_all_arms_of_all_networks_in_turn(played: list[tuple[str, int]], tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = CliRunner().invoke(kad_disruption.command, ["--networks", "2", "--seed", "3", "-o", str(out)])
    assert done.exit_code == 0, done.output
    assert played == [("none", 3), *[(arm, seed) for seed in (3, 4) for arm in ("none", "silent", "once")]]
    value = json.loads((out / "kad-disruption.json").read_text())
    assert value["seeds"] == [3, 4]
    assert value["clients"] == {"amuled": "aMuleD 2.3.3"}
    rows = {(row["arm"], row["measure"]): row for row in value["rows"]}
    assert rows["once", "store_s"]["value"]["mean"] == 15.5
    assert rows["once", "store_s"]["more"] == {"mean": 2.0, "low": 2.0, "high": 2.0, "n": 2}
    assert value["identified"]["all"]["hits"] == 18
    assert len(value["networks"]) == 6
    assert "90.0% (18 of 20;" in done.output


@pytest.mark.parametrize(
    ("words", "line"),
    [(["--arms", "none,polite"], "'polite' is none of none,silent,once"), (["--nodes", "5"], "5 is not in the range")],
)
def test_what_cannot_be_played_is_refused(words: list[str], line: str) -> None:
    done = CliRunner().invoke(kad_disruption.command, words)
    assert done.exit_code == 2
    assert line in " ".join(done.output.split())
