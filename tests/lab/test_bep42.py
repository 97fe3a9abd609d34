"""The examples of BEP 42 itself, and IDs in a zone."""

import random

import pytest

from montra.datagrams import ip_number
from montra.lab.bep42 import crc32c, node_id, prefix
from zone_store.keyspace.zone import Zone


def test_crc32c_of_the_standard_check() -> None:
    assert crc32c(b"123456789") == 0xE3069283


@pytest.mark.parametrize(
    ("ip", "rand", "expected"),
    [
        ("124.31.75.21", 1, "5fbfbff10c5d6a4ec8a88e4c6ab4c28b95eee401"),
        ("21.75.31.124", 86, "5a3ce9c14e7a08645677bbd1cfe7d8f956d53256"),
        ("65.23.51.170", 22, "a5d43220bc8f112a3d426c84764f8c2a1150e616"),
        ("84.124.73.14", 65, "1b0321dd1bb1fe518101ceef99462b947a01ff41"),
        ("43.213.53.83", 90, "e56f6cbf5b7c4be0237986d5243b87aa6d51305a"),
    ],
)
def test_examples_of_the_bep(ip: str, rand: int, expected: str) -> None:
    assert prefix(ip_number(ip), rand) == int(expected, 16) >> 139


def test_an_id_in_the_zone_where_the_address_allows_one() -> None:
    rng = random.Random(1)
    zone = Zone.parse("a4/6")
    found = [(ip, made) for ip in range(0x08000000, 0x08000000 + 400 * 256, 256) if (made := node_id(ip, zone, rng))]
    # 8 prefixes of 64 each
    assert 25 <= len(found) <= 75
    for ip, made in found:
        assert zone.contains(made)
        assert int.from_bytes(made, "big") >> 139 == prefix(ip, made[-1])
    assert node_id(0x08000000, Zone.parse("a4a4a4/24"), rng) is None


def test_private_addresses_take_any_id() -> None:
    made = node_id(ip_number("127.96.0.1"), Zone.parse("a4/6"), random.Random(1))
    assert made is not None
    assert Zone.parse("a4/6").contains(made)
