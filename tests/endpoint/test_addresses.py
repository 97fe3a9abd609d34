from __future__ import annotations

import ipaddress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from montra.endpoint.addresses import AddressSet, parse_block


def number(text: str) -> int:
    return int(ipaddress.IPv4Address(text))


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("192.0.2.7", "192.0.2.7", "192.0.2.7"),
        ("192.0.2.7-20", "192.0.2.7", "192.0.2.20"),
        ("192.0.2.7-7", "192.0.2.7", "192.0.2.7"),
        ("192.0.2.0/24", "192.0.2.0", "192.0.2.255"),
        ("10.0.0.0/8", "10.0.0.0", "10.255.255.255"),
        ("192.0.2.7/32", "192.0.2.7", "192.0.2.7"),
    ],
)
def test_parse_block(text: str, first: str, last: str) -> None:
    assert parse_block(text) == (number(first), number(last))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no IPv4 address"),
        ("192.0.2", "no IPv4 address"),
        ("192.0.2.256", "no IPv4 address"),
        ("192.0.2.0/33", "no IPv4 address"),
        ("192.0.2.0/", "no IPv4 address"),
        ("192.0.2.7/24", "192.0.2.0/24"),
        ("192.0.2.7-6", "not below the first"),
        ("192.0.2.7-256", "at most 255"),
        ("192.0.2.7-", "no range"),
        ("192.0.2.7-192.0.2.9", "no range"),
        ("2001:db8::1", "no IPv4 address"),
        ("host.example", "no IPv4 address"),
    ],
)
def test_parse_block_refuses(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says) as caught:
        parse_block(text)
    assert "\n" not in str(caught.value)


def test_parse_block_with_host_bits_takes_the_network() -> None:
    assert parse_block("192.0.2.7/24", host_bits=True) == (number("192.0.2.0"), number("192.0.2.255"))


def test_blocks_merge_and_count_once() -> None:
    addresses = AddressSet([(10, 12), (13, 13), (11, 12), (20, 21)])
    assert addresses.starts.tolist() == [10, 20]
    assert addresses.ends.tolist() == [13, 21]
    assert len(addresses) == 6
    assert [addresses.at(rank) for rank in range(6)] == [10, 11, 12, 13, 20, 21]
    assert [addresses.rank(ip) for ip in (9, 10, 13, 14, 20, 21, 22)] == [-1, 0, 3, -1, 4, 5, -1]
    assert 12 in addresses
    assert 19 not in addresses


def test_rank_outside_is_an_error() -> None:
    addresses = AddressSet([(10, 12)])
    for rank in (-1, 3):
        with pytest.raises(IndexError):
            addresses.at(rank)


def test_empty_set() -> None:
    addresses = AddressSet([])
    assert len(addresses) == 0
    assert 0 not in addresses
    assert addresses.ranks(np.array([0, 1], np.uint32)).tolist() == [-1, -1]
    groups, begins = addresses.subnets()
    assert groups.tolist() == []
    assert begins.tolist() == [0]


def test_whole_space_costs_one_interval() -> None:
    addresses = AddressSet([(0, (1 << 32) - 1)])
    assert len(addresses) == 1 << 32
    assert addresses.ranks(np.array([(1 << 32) - 1], np.uint32)).tolist() == [(1 << 32) - 1]
    assert addresses.take(np.array([(1 << 32) - 1])).tolist() == [(1 << 32) - 1]


def test_subnets_with_gaps_and_two_intervals_in_one() -> None:
    base = 0x0A000000
    addresses = AddressSet([(base + 250, base + 260), (base + 262, base + 263), (base + 3 * 256, base + 3 * 256)])
    groups, begins = addresses.subnets()
    assert groups.tolist() == [base >> 8, (base >> 8) + 1, (base >> 8) + 3]
    assert begins.tolist() == [0, 6, 13, 14]


block = st.tuples(st.integers(0, 3000), st.integers(0, 600)).map(lambda pair: (pair[0], pair[0] + pair[1]))


@given(st.lists(block, max_size=8))
def test_agrees_with_a_python_set(blocks: list[tuple[int, int]]) -> None:
    model = sorted({ip for low, high in blocks for ip in range(low, high + 1)})
    addresses = AddressSet(blocks)
    assert len(addresses) == len(model)
    assert addresses.take(np.arange(len(model))).tolist() == model
    every = np.arange(0, 4000, dtype=np.uint32)
    place = {ip: rank for rank, ip in enumerate(model)}
    assert addresses.ranks(every).tolist() == [place.get(ip, -1) for ip in range(4000)]
    assert [addresses.rank(ip) for ip in range(0, 4000, 7)] == [place.get(ip, -1) for ip in range(0, 4000, 7)]
    groups, begins = addresses.subnets()
    assert groups.tolist() == sorted({ip >> 8 for ip in model})
    for i, group in enumerate(groups.tolist()):
        assert model[begins[i] : begins[i + 1]] == [ip for ip in model if ip >> 8 == group]
