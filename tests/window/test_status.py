"""How a running window says where it stands."""

from dataclasses import replace

from montra.window.status import Status

FULL = Status(
    time_ns=1,
    elapsed_s=60.0,
    remaining_s=0.0,
    crawls=2,
    crawl_seconds=1.25,
    nodes=40,
    completeness=0.0,
    targets=10,
    accepted=9,
    visible=8,
    waiting=1,
    bare=0,
    captures=5,
    captures_per_s=0.5,
    received=7,
    sent=8,
    lost=0,
    problem="",
)


def test_a_thin_fleet_says_how_many_it_leaves_without_a_monitor() -> None:
    assert "monitors 8 visible, 9 accepted of 10, 1 waiting | captures" in FULL.line()
    assert "9 accepted of 10, 1 waiting, 30 without by choice | captures" in replace(FULL, bare=30).line()
