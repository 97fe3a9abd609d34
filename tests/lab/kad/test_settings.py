"""Settings of a Kad lab: what is refused, and with which words."""

from pathlib import Path
from typing import Any

import pytest

from montra.lab.kad.settings import KadLabSettings, KadWorkload
from montra.lab.settings import LabError

OUT = Path("out")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"nodes": 1}, r"nodes must lie in 2\.\.8128"),
        ({"zone": "a4/6"}, "at least 8 bits"),
        ({"zone": "a4c3d2/20"}, "more than 16 bits"),
        ({"zone": "zz/8"}, "zone: "),
        ({"zone_share": 0.0}, "zone_share"),
        ({"seed_peers": 0}, "seed_peers"),
        ({"rate": 0.5}, "rate"),
        ({"rate": float("inf")}, "rate"),
        ({"nodes": 10, "publishers": (11,)}, r"publishers must lie in 1\.\.10"),
        ({"words_per_file": 4}, "words_per_file"),
        ({"words": 1}, "words must be"),
        ({"nodes": 10, "publishers": (), "firewalled": 10}, "firewalled"),
    ],
)
def test_impossible_settings_are_refused(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(LabError, match=said):
        KadLabSettings(out=OUT, **wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        {"duration_s": 0.0},
        {"searches": -1},
        {"downloads": -1},
        {"share_within_s": 61.0},
        {"zipf": -0.1},
        {"hold_s": -1.0},
    ],
)
def test_impossible_workloads_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(LabError, match=next(iter(wrong))):
        KadWorkload(**wrong)


def test_the_share_of_nodes_in_the_zone_is_rounded_to_the_nearest_and_never_nobody() -> None:
    assert KadLabSettings(out=OUT, zone_share=0.755).in_zone == 76
    assert KadLabSettings(out=OUT, nodes=20, zone_share=0.001).in_zone == 1
