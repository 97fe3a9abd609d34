"""A mixed network's settings: what is refused, and who is left for libtorrent."""

from pathlib import Path
from typing import Any

import pytest

from montra.lab.mixed.needs import kinds
from montra.lab.mixed.settings import MixedSettings, Weather
from montra.lab.settings import LabError


def settings(**changes: Any) -> MixedSettings:
    return MixedSettings(out=Path("out"), **changes)


def test_libtorrent_is_the_rest() -> None:
    assert settings(nodes=300, aria2=10, transmission=5, rtorrent=5, webtorrent=10, nat=8).libtorrent == 262


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"nodes": 40}, "40 nodes leave 2 for libtorrent, which needs 8"),
        ({"aria2": -1}, "no number of nodes may be negative"),
        ({"nat": 100}, "at most 99 nodes of a kind besides libtorrent"),
        ({"duration_s": 0.0}, "durations must be positive"),
        ({"median_session_s": -1.0}, "the median session must not be negative"),
    ],
)
def test_what_cannot_be_is_refused(changes: dict[str, Any], line: str) -> None:
    with pytest.raises(LabError, match=line):
        settings(**changes)


@pytest.mark.parametrize("changes", [{"loss": 1.0}, {"delay_s": 0.01, "jitter_s": 0.02}, {"reorder": 0.1}])
def test_impossible_weather_is_refused(changes: dict[str, float]) -> None:
    with pytest.raises(LabError):
        Weather(**changes)


def test_calm_is_neither_loss_nor_delay() -> None:
    assert Weather().calm
    assert not Weather(loss=0.01).calm
    assert not Weather(delay_s=0.05).calm


def test_who_takes_part() -> None:
    only_lab = settings(nodes=20, aria2=0, transmission=0, rtorrent=0, webtorrent=0, nat=0)
    assert [kind.name for kind in kinds(only_lab)] == ["libtorrent"]
    homes = settings(nodes=40, aria2=0, transmission=0, rtorrent=0, webtorrent=0, nat=12)
    assert [kind.name for kind in kinds(homes)] == ["libtorrent", "webtorrent", "aria2"]
