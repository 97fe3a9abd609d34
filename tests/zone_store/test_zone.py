"""Zones: their three spellings, one canonical form, and what lies in them."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zone_store.keyspace import ids
from zone_store.keyspace.zone import Zone, ZoneError


@st.composite
def zones(draw: st.DrawFn, id_bits: int = 160) -> Zone:
    length = draw(st.integers(0, id_bits))
    return Zone(draw(st.integers(0, (1 << length) - 1)), length, id_bits)


@pytest.mark.parametrize(
    ("text", "prefix", "length", "canonical"),
    [
        ("a4/6", 0b101001, 6, "a4/6"),
        ("A7/6", 0b101001, 6, "a4/6"),  # bits beyond the length do not count
        ("0xa4/8", 0xA4, 8, "a4/8"),
        ("0XA4/8", 0xA4, 8, "a4/8"),
        ("101001", 0b101001, 6, "a4/6"),
        (" 101001 ", 0b101001, 6, "a4/6"),
        ("10/6", 0b000100, 6, "10/6"),  # with a slash the digits are hex
        ("0x1/4", 1, 4, "1/4"),
        ("0/0", 0, 0, "0/0"),
        ("ff/0", 0, 0, "0/0"),
        ("abc/9", 0b101010111, 9, "ab8/9"),
        ("1", 1, 1, "8/1"),
        ("ab" * 20 + "/160", int("ab" * 20, 16), 160, "ab" * 20 + "/160"),
    ],
)
def test_spellings(text: str, prefix: int, length: int, canonical: str) -> None:
    zone = Zone.parse(text)
    assert zone == Zone(prefix, length, 160)
    assert str(zone) == canonical


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "write it as hex prefix and bits"),
        ("a4", "write it as hex prefix and bits"),
        ("0x101", "write it as hex prefix and bits"),
        ("102", "write it as hex prefix and bits"),
        ("/6", "'' is no hex prefix"),
        ("0x/6", "'' is no hex prefix"),
        ("xyz/6", "'xyz' is no hex prefix"),
        ("-4/2", "'-4' is no hex prefix"),
        ("a_4/6", "'a_4' is no hex prefix"),
        ("a4/", "'' is no number of bits"),
        ("a4/-1", "'-1' is no number of bits"),
        ("a4/6/7", "'6/7' is no number of bits"),
        ("a4/\u0666", "is no number of bits"),
        ("a4/99999", "'99999' is no number of bits"),
        ("a4/9", "9 bits asked, but the hex prefix has 8"),
        ("a" * 41 + "/6", "164 bits of hex, but IDs have 160"),
        ("1" * 161, "161 bits, but IDs have 160"),
    ],
)
def test_what_is_no_zone_is_refused_in_one_line(text: str, message: str) -> None:
    with pytest.raises(ZoneError) as caught:
        Zone.parse(text)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("prefix", "length", "id_bits"), [(4, 2, 160), (-1, 2, 160), (0, 161, 160), (0, 4, 12)])
def test_numbers_that_do_not_fit(prefix: int, length: int, id_bits: int) -> None:
    with pytest.raises(ZoneError):
        Zone(prefix, length, id_bits)


def test_kad_ids_have_128_bits() -> None:
    zone = Zone.parse("a4/6", 128)
    assert zone.low() == bytes.fromhex("a4" + "00" * 15)
    with pytest.raises(ZoneError, match="132 bits of hex, but IDs have 128"):
        Zone.parse("a" * 33 + "/6", 128)


def test_bounds_share_and_slug() -> None:
    zone = Zone.parse("a4/6")
    assert zone.low() == bytes.fromhex("a4" + "00" * 19)
    assert zone.high() == bytes.fromhex("a7" + "ff" * 19)
    assert zone.share == 1 / 64
    assert zone.slug == "a4-6"
    assert zone.id_bytes == 20
    assert Zone(0, 0).high() == b"\xff" * 20
    single = Zone(5, 160)
    assert single.low() == single.high() == bytes(19) + b"\x05"


def test_membership() -> None:
    zone = Zone.parse("a4/6")
    assert zone.contains(bytes.fromhex("a6" + "12" * 19))
    assert not zone.contains(bytes.fromhex("a8" + "12" * 19))
    assert not zone.contains(b"\xa6" * 16)  # not an ID of this overlay
    with pytest.raises(ValueError, match="20-byte IDs"):
        zone.contains_many(ids.pack([bytes(16)], 16))


@given(zones(), st.lists(st.binary(min_size=20, max_size=20), max_size=20), st.integers(0, 2**32))
def test_membership_of_many(zone: Zone, others: list[bytes], seed: int) -> None:
    inside = zone.random_id(random.Random(seed))
    assert zone.low() <= inside <= zone.high()
    rows = [inside, zone.low(), zone.high(), *others]
    expected = [zone.low() <= row <= zone.high() for row in rows]
    assert zone.contains_many(ids.pack(rows, 20)).tolist() == expected
    assert [zone.contains(row) for row in rows] == expected


@given(zones())
def test_the_canonical_form_reads_back(zone: Zone) -> None:
    assert Zone.parse(str(zone)) == zone


def test_random_ids_fill_the_zone() -> None:
    rng = random.Random(1)
    zone = Zone.parse("a4/6")
    halves = [zone.split(1)[0].contains(zone.random_id(rng)) for _ in range(1000)]
    assert 440 < sum(halves) < 560


def test_split() -> None:
    assert [str(part) for part in Zone.parse("a4/6").split(2)] == ["a4/8", "a5/8", "a6/8", "a7/8"]
    assert Zone.parse("a4/6").split(0) == [Zone.parse("a4/6")]
    with pytest.raises(ZoneError, match="cannot be split by 17 bits"):
        Zone.parse("a4/6").split(17)
    with pytest.raises(ZoneError, match="zone length 161"):
        Zone(0, 160).split(1)


@given(zones(), zones())
def test_overlap_and_cover(a: Zone, b: Zone) -> None:
    assert a.overlaps(b) == (a.low() <= b.high() and b.low() <= a.high())
    cover = Zone.cover([a, b])
    bounds = [a.low(), a.high(), b.low(), b.high()]
    assert all(cover.contains(bound) for bound in bounds)
    if cover.length < 160:  # no smaller zone holds both
        assert not any(all(half.contains(bound) for bound in bounds) for half in cover.split(1))


def test_cover_of_parts_and_of_nothing() -> None:
    assert Zone.cover(Zone.parse("a4/6").split(3)) == Zone.parse("a4/6")
    assert Zone.cover([Zone.parse("00/8"), Zone.parse("ff/8")]) == Zone(0, 0)
    assert not Zone.parse("a4/6").overlaps(Zone.parse("a4/6", 128))
    with pytest.raises(ZoneError):
        Zone.cover([])
    with pytest.raises(ZoneError):
        Zone.cover([Zone.parse("a4/6"), Zone.parse("a4/6", 128)])
