from __future__ import annotations

from typing import Any

import pytest

from montra.monitors.settings import FleetSettings, check_introductions, nanoseconds, settings_of
from montra.overlays.mainline import OVERLAY


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"max_monitors": 0}, "max_monitors must be positive: 0"),
        ({"keep_alive_s": -1.0}, "keep_alive_s must be positive: -1.0"),
        ({"max_moves": -1}, "max_moves must be at least 0: -1"),
        ({"reintroduce_s": ()}, "reintroduce_s must hold positive waits"),
        ({"reintroduce_s": (2.0, 0.0)}, "reintroduce_s must hold positive waits"),
        ({"keep_alive_jitter": 1.0}, "keep_alive_jitter must be a share below 1"),
        ({"second_introduction_s": 5.0}, "second_introduction_s must be shorter than repeat_s"),
        ({"max_failures": 201}, "max_failures must be at most 200: 201"),
        ({"repeats": 201}, "repeats must be at most 200: 201"),
        ({"round_gap_s": -1.0}, "round_gap_s must be at least 0: -1.0"),
        ({"max_probes_per_s": 0.0}, "max_probes_per_s must be positive: 0.0"),
        ({"max_moves": 300}, "max_moves must be at most 200: 300"),
        ({"every": 0}, "every must be positive: 0"),
        ({"every": 65}, "every must be at most 64: 65"),
    ],
)
def test_bad_settings_are_refused_in_one_line(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        FleetSettings(**settings)
    assert "\n" not in str(caught.value)


def test_zero_means_never_where_it_can() -> None:
    settings = FleetSettings(max_moves=0, repeats=0, max_id_changes=0, keep_alive_jitter=0.0)
    assert (settings.max_moves, settings.repeats) == (0, 0)


def test_a_first_round_has_no_more_introductions_than_clients_take() -> None:
    check_introductions(FleetSettings(repeats=2), 4)
    with pytest.raises(ValueError, match="repeats must be at most 1: 2"):
        check_introductions(FleetSettings(repeats=2), 3)


def test_an_overlay_has_defaults_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(OVERLAY, "defaults", {"monitors": {"keep_alive_s": 3000.0, "repeats": 1}})
    settings = settings_of(OVERLAY, repeats=0)
    assert (settings.keep_alive_s, settings.repeats, settings.second_introduction_s) == (3000.0, 0, 0.2)
    monkeypatch.setattr(OVERLAY, "defaults", {})
    assert settings_of(OVERLAY) == FleetSettings()


def test_durations_become_whole_nanoseconds() -> None:
    assert nanoseconds(0.2) == 200_000_000
