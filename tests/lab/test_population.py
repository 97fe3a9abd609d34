"""Placements and XOR neighbours."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from montra.lab.population import Placements, closest, random_key
from montra.lab.settings import LabError, LabSettings
from zone_store.keyspace.zone import Zone

ZONE = Zone.parse("a4/6")


def test_first_population_has_the_zone_share_and_a_subnet_each() -> None:
    places = Placements(LabSettings(out="o", nodes=300), random.Random(1)).first(300)
    assert sum(place.in_zone for place in places) == 225
    assert all(ZONE.contains(place.node_id) is place.in_zone for place in places)
    assert places[0].ip == "127.10.1.1"
    assert places[253].ip == "127.10.254.1"
    assert places[254].ip == "127.11.1.1"
    assert len({place.ip.rsplit(".", 1)[0] for place in places}) == 300
    assert len({place.node_id for place in places}) == 300


def test_the_same_seed_gives_the_same_network() -> None:
    settings = LabSettings(out="o")
    assert Placements(settings, random.Random(5)).first(9) == Placements(settings, random.Random(5)).first(9)


def test_says_when_the_addresses_are_used_up() -> None:
    placements = Placements(LabSettings(out="o", nodes=2, subnet="127.255"), random.Random(1))
    placements.first(254)
    with pytest.raises(LabError, match="used up"):
        placements.place(True)


def test_places_under_10_too() -> None:
    places = Placements(LabSettings(out="o", subnet="10.20"), random.Random(1)).first(255)
    assert [places[0].ip, places[254].ip] == ["10.20.1.1", "10.21.1.1"]


def test_keys_outside_are_outside() -> None:
    rng = random.Random(2)
    half = Zone.parse("0")
    assert not any(half.contains(random_key(half, False, rng)) for _ in range(50))
    assert all(half.contains(random_key(half, True, rng)) for _ in range(50))


def test_closest_literally() -> None:
    assert closest([0b0001, 0b0110, 0b0111, 0b1000], 0b0101, 3) == [0b0111, 0b0110, 0b0001]


@given(st.sets(st.integers(0, 2**160 - 1), max_size=30), st.integers(0, 2**160 - 1), st.integers(1, 10))
def test_closest_is_the_sorted_beginning(numbers: set[int], target: int, k: int) -> None:
    assert closest(numbers, target, k) == sorted(numbers, key=lambda number: number ^ target)[:k]
