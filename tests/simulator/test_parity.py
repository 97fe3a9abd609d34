"""What is compared with a real lab, simulated: the plans, the figures and when two of them agree."""

from dataclasses import replace
from pathlib import Path

from montra.simulator.parity import PLANS, Interval, Measured, Pair, Plan, apart, simulate, table

NODES = 160  # more than one bucket of libtorrent holds


def by_name(name: str) -> Plan:
    return next(plan for plan in PLANS if plan.name == name)


def test_plans_hold_the_whole_fleet_on_the_24s_they_name() -> None:
    for plan in PLANS:
        overrides = plan.overrides("127.100")
        first, last = map(int, overrides["addresses.ports"].split("-"))
        assert plan.subnets * plan.addresses * (last - first + 1) >= 500
        assert len(overrides["addresses.monitors"]) == plan.subnets
    assert by_name("one /24").overrides("127.100") == {
        "addresses.monitors": ["127.100.0.1-250"],
        "addresses.ports": "20881-20882",
    }


def test_many_24s_show_the_neighbours_and_one_address_shows_one(tmp_path: Path) -> None:
    many = simulate(tmp_path / "many", by_name("16 /24s"), nodes=NODES, seed=1, networks=2)
    one = simulate(tmp_path / "one", by_name("one address"), nodes=NODES, seed=1, networks=2)
    assert many.capture.value > 0.97
    assert many.copies.value > 5
    assert many.destination.value > 0.7
    assert one.copies.value < 2
    assert one.destination.value < 0.6
    assert one.inferred.value > 0.9
    assert apart(many, many) == ()


def test_intervals_that_touch_agree() -> None:
    share = Interval(0.9, 0.8, 0.95)
    assert share.overlaps(Interval(0.97, 0.95, 0.99))
    assert not share.overlaps(Interval(0.97, 0.951, 0.99))
    measured = Measured(100, share, share, share, Interval(7.0, 6.9, 7.1))
    other = replace(measured, copies=Interval(7.3, 7.2, 7.4))
    assert apart(measured, other) == ("copies",)
    text = table([Pair("16 /24s", measured, other, apart(measured, other))])
    assert "| 16 /24s | simulated | 100 | 90.0% (80.0%-95.0%) |" in text
    assert text.splitlines()[2].endswith("| 7.00 (6.90-7.10) | copies |")
