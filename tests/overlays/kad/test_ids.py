from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from montra.overlays.kad.ids import from_wire, keyword_id, keywords, swap_rows, to_wire, verify_key

CANONICAL = bytes.fromhex("000102030405060708090a0b0c0d0e0f")
ON_WIRE = bytes.fromhex("03020100070605040b0a09080f0e0d0c")


def test_an_id_in_packets_is_four_little_endian_words_the_most_significant_first() -> None:
    assert to_wire(CANONICAL) == ON_WIRE
    assert from_wire(ON_WIRE) == CANONICAL


def test_rows_of_ids() -> None:
    rows = np.frombuffer(ON_WIRE + CANONICAL, np.uint8).reshape(2, 16)
    assert swap_rows(rows).tobytes() == CANONICAL + ON_WIRE
    assert swap_rows(rows[:0]).shape == (0, 16)
    wide = np.zeros((2, 40), np.uint8)
    wide[:, 3:19] = rows
    assert swap_rows(wide[:, 3:19]).tobytes() == CANONICAL + ON_WIRE


@given(st.binary(min_size=16, max_size=16))
def test_the_forms_are_each_others_inverse(node_id: bytes) -> None:
    assert from_wire(to_wire(node_id)) == node_id
    assert swap_rows(np.frombuffer(node_id, np.uint8)).tobytes() == to_wire(node_id)


def test_a_keyword_is_the_md4_of_its_lower_case() -> None:
    assert keyword_id("abc").hex() == "a448017aaf21d8525fc10ae87aa6729d"  # RFC 1320, A.5
    assert keyword_id("ABC") == keyword_id("abc")
    assert keyword_id("Übung") == keyword_id("übung")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Alpha bravo.avi", ["alpha", "bravo", "avi"]),
        ("a bc def", ["def"]),
        ("red_green-blue(2)[3]{4}", ["red", "green", "blue"]),
        ("red blue Red", ["blue", "red"]),
        ("\N{LATIN SMALL LETTER E WITH ACUTE}t\N{LATIN SMALL LETTER E WITH ACUTE}", ["été"]),
        ("éa", ["éa"]),  # three bytes
        ("", []),
        ('...,"', []),
    ],
)
def test_words_of_a_name(name: str, words: list[str]) -> None:
    assert keywords(name) == words


def test_the_verify_key_is_that_of_a_real_node() -> None:
    # aMule 2.3.3 with CryptoKadUDPKey 1397871145, for 100.64.3.1: what it expects in conftest's "firewalled2 req"
    assert verify_key(0x64400301, (1397871145).to_bytes(4, "little")) == 398076071


def test_verify_keys_differ_by_address_and_secret_and_are_never_none() -> None:
    keys = {verify_key(ip, secret) for ip in range(1000) for secret in (b"a", b"b")}
    assert len(keys) == 2000
    assert min(keys) > 0
    assert max(keys) < 2**32 - 1
