"""Pseudonyms: the published vectors, prefixes kept bit by bit, one to one, ports hidden."""

from __future__ import annotations

from ipaddress import IPv4Address

import numpy as np
import pytest
from Crypto.Cipher import AES
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from analysis.privacy.pseudonyms import Pseudonyms

#: Key and some lines of the sample trace that its authors published with Crypto-PAn 1.0.
PUBLISHED_KEY = bytes.fromhex("1522178d33a4cf80130a5b1649907d10d8988f837979652762574c2d2a842202")
PUBLISHED = {
    "128.11.68.132": "135.242.180.132",
    "129.118.74.4": "134.136.186.123",
    "130.132.252.244": "133.68.164.234",
    "141.223.7.43": "141.167.8.160",
    "141.233.145.108": "141.129.237.235",
    "152.163.225.39": "151.140.114.167",
    "156.29.3.236": "147.225.12.42",
    "165.247.96.84": "162.9.99.234",
    "166.107.77.190": "160.132.178.185",
    "192.102.249.13": "252.138.62.131",
    "192.215.32.125": "252.43.47.189",
    "192.41.57.43": "252.222.221.184",
    "198.200.171.101": "249.199.68.213",
    "198.26.132.101": "249.36.123.202",
    "202.49.198.20": "245.206.7.234",
    "24.0.250.221": "100.15.198.226",
}
HIDE = Pseudonyms(PUBLISHED_KEY)


def numbers(values: list[int]) -> NDArray[np.uint32]:
    return np.array(values, np.uint32)


def common_bits(a: int, b: int) -> int:
    return 32 - (a ^ b).bit_length()


def by_the_paper(key: bytes, address: int) -> int:
    """Return the pseudonym as the paper states it, one bit after the other."""
    aes = AES.new(key[:16], AES.MODE_ECB)
    pad = int.from_bytes(aes.encrypt(key[16:]), "big")
    flips = 0
    for length in range(32):
        rest = (1 << (128 - length)) - 1
        block = ((address << 96) & ~rest) | (pad & rest)
        flips = flips << 1 | aes.encrypt(block.to_bytes(16, "big"))[0] >> 7
    return address ^ flips


def test_the_published_vectors() -> None:
    found = HIDE.addresses(numbers([int(IPv4Address(address)) for address in PUBLISHED]))
    assert [str(IPv4Address(one)) for one in found.tolist()] == list(PUBLISHED.values())


@settings(max_examples=30, deadline=None)
@given(st.binary(min_size=32, max_size=32), st.lists(st.integers(0, 2**32 - 1), max_size=20))
def test_they_are_those_of_the_paper_under_any_key(key: bytes, addresses: list[int]) -> None:
    found = Pseudonyms(key).addresses(numbers(addresses)).tolist()
    assert found == [by_the_paper(key, address) for address in addresses]


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1))
def test_two_of_them_share_as_many_bits_as_the_addresses(a: int, b: int) -> None:
    hidden = HIDE.addresses(numbers([a, b])).tolist()
    assert common_bits(*hidden) == common_bits(a, b)


def test_many_addresses_in_any_order_and_more_than_once() -> None:
    addresses = np.random.default_rng(0).integers(0, 1 << 32, 50_000, dtype=np.uint32)
    addresses = np.concatenate([addresses, addresses[::-1]])
    hidden = HIDE.addresses(addresses)
    assert hidden.dtype == np.uint32
    assert (hidden[:50_000] == hidden[:49_999:-1]).all()
    assert len(np.unique(hidden)) == len(np.unique(addresses))
    assert hidden[7] == by_the_paper(PUBLISHED_KEY, int(addresses[7]))


def test_ports_are_permuted_within_each_address_and_between_none() -> None:
    ports = np.arange(1 << 16, dtype=np.uint16)
    found = {}
    for address in (0x0A000001, 0x0A000002):
        requesters, own = HIDE.requesters(np.full(1 << 16, address, np.uint32), ports)
        assert set(own.tolist()) == set(HIDE.addresses(numbers([address])).tolist())
        assert (requesters >> np.uint64(16) == own).all()
        found[address] = (requesters & np.uint64(0xFFFF)).astype(np.int64)
        assert len(np.unique(found[address])) == 1 << 16
    one, other = found.values()
    # As in random permutations, about one port stays what it is, and about one is the same under both.
    assert (one == ports).sum() < 10
    assert (one == other).sum() < 10
    # Neighbouring ports do not stay neighbours.
    assert np.median(np.abs(np.diff(one))) > 10_000


def test_another_key_gives_others_and_no_key_is_shorter() -> None:
    addresses = np.arange(1000, dtype=np.uint32)
    other = Pseudonyms(bytes(range(32)))
    assert (HIDE.addresses(addresses) != other.addresses(addresses)).any()
    with pytest.raises(ValueError, match="32 bytes, not 31"):
        Pseudonyms(bytes(31))


def test_of_nothing_is_nothing() -> None:
    requesters, own = HIDE.requesters(np.empty(0, np.uint32), np.empty(0, np.uint16))
    assert (requesters.dtype, own.dtype, len(own)) == (np.uint64, np.uint32, 0)
    assert HIDE.addresses(np.empty(0, np.uint32)).dtype == np.uint32
