"""The link: where packets go, and what the weather does to them, in time that the test makes."""

import pytest

from montra.lab.mixed.link import Link, LinkConfig
from montra.lab.mixed.settings import Weather

HERE, HOME = 7, 8
CALM = Weather()


def packet(destination: str, number: int = 0) -> bytes:
    """Return an IPv4 header for this destination, and a number to know it by."""
    address = bytes(map(int, destination.split(".")))
    return b"\x45" + bytes(15) + address + number.to_bytes(4, "big")


def link(weather: Weather, seed: int = 1) -> Link:
    return Link(LinkConfig(ends={"10.0.0.0/8": HERE, "172.20.1.1/32": HOME}, weather=weather, seed=seed))


def arrivals(made: Link, until_s: float, step_s: float = 0.001) -> list[tuple[float, int]]:
    """Return (time, number) of all packets that arrive until a time."""
    found = []
    while (due_s := made.due_s()) is not None and due_s <= until_s:
        found += [(due_s, int.from_bytes(data[20:], "big")) for _, data in made.arrived(due_s)]
    return found


def test_a_packet_goes_where_its_destination_is() -> None:
    made = link(CALM)
    for destination in ("10.1.2.3", "172.20.1.1", "10.255.0.1"):
        made.take(packet(destination), 5.0)
    assert [fd for fd, _ in made.arrived(5.0)] == [HERE, HOME, HERE]


@pytest.mark.parametrize("data", [packet("192.0.2.1"), b"", b"\x60" + bytes(39), packet("10.0.0.1")[:19]])
def test_what_leads_nowhere_is_counted(data: bytes) -> None:
    made = link(CALM)
    made.take(data, 0.0)
    assert made.arrived(1e9) == []
    assert made.counts.unroutable == 1


def test_loss_is_as_asked_for_and_the_same_for_a_seed() -> None:
    def lost(seed: int) -> list[int]:
        made = link(Weather(loss=0.1), seed)
        for number in range(10_000):
            made.take(packet("10.0.0.1", number), 0.0)
        come = {number for _, number in arrivals(made, 0.0)}
        assert made.counts.lost == 10_000 - len(come)
        return sorted(set(range(10_000)) - come)

    assert 900 < len(lost(1)) < 1100
    assert lost(1) == lost(1)
    assert lost(1) != lost(2)


def test_delay_without_jitter_keeps_the_order() -> None:
    made = link(Weather(delay_s=0.05))
    for number in range(100):
        made.take(packet("10.0.0.1", number), number / 1000)
    assert made.arrived(0.0499) == []
    assert arrivals(made, 1.0) == [(pytest.approx(number / 1000 + 0.05), number) for number in range(100)]
    assert made.due_s() is None


def test_jitter_spreads_evenly_around_the_delay() -> None:
    made = link(Weather(delay_s=0.05, jitter_s=0.02))
    for number in range(4000):
        made.take(packet("10.0.0.1", number), 0.0)
    times = [at_s for at_s, _ in arrivals(made, 1.0)]
    assert 0.03 <= times[0] < 0.031
    assert 0.069 < times[-1] <= 0.07
    assert sum(times) / 4000 == pytest.approx(0.05, abs=0.001)
    assert sum(at_s < 0.04 for at_s in times) / 4000 == pytest.approx(0.25, abs=0.03)


def test_some_overtake() -> None:
    made = link(Weather(delay_s=0.05, reorder=0.25))
    for number in range(4000):
        made.take(packet("10.0.0.1", number), 0.0)
    at_once = len(made.arrived(0.0))
    assert at_once == made.counts.overtook
    assert 900 < at_once < 1100
    assert len(made.arrived(0.05)) == 4000 - at_once


def test_too_many_on_their_way_are_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("montra.lab.mixed.link.MOST_WAITING", 3)
    made = link(Weather(delay_s=1.0))
    for number in range(5):
        made.take(packet("10.0.0.1", number), 0.0)
    assert len(made.arrived(2.0)) == 3
    assert made.counts.full == 2
