from __future__ import annotations

import time
from collections.abc import Callable
from typing import get_args

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from montra.overlays.mainline import bencode
from montra.overlays.mainline.bencode import BencodeError, decode, encode

values = st.recursive(
    st.binary(max_size=30) | st.integers(-(10**18), 10**18),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.binary(max_size=6), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "not_a_dict"),
        (b"i5e", "not_a_dict"),
        (b"le", "not_a_dict"),
        (b"d", "bad_string"),
        (b"d1:a", "not_bencode"),
        (b"d1:ae", "not_bencode"),
        (b"d1:axe", "not_bencode"),
        (b"di1ei2ee", "bad_string"),
        (b"d1:a5:1234e", "bad_string"),
        (b"d1:a01:xe", "bad_string"),
        (b"d01:a1:xe", "bad_string"),
        (b"d1:a00000001:xe", "bad_string"),
        (b"d1:a12345678:xe", "bad_string"),
        (b"d1:a+1:xe", "not_bencode"),
        (b"d1:a1_0:xxxxxxxxxxe", "bad_string"),
        (b"d1:a99999999999999999999:e", "bad_string"),
        (b"d1:ai1e-6:", "bad_string"),
        (b"d1:aie", "bad_integer"),
        (b"d1:ai-0ee", "bad_integer"),
        (b"d1:ai01ee", "bad_integer"),
        (b"d1:ai 1ee", "bad_integer"),
        (b"d1:ai1_0ee", "bad_integer"),
        (b"d1:ai+1ee", "bad_integer"),
        (b"d1:ai1", "bad_integer"),
        (b"d1:ai10000000000000000000ee", "bad_integer"),
        (b"d1:a1:x1:a1:ye", "duplicate_key"),
        (b"d1:ad1:b0:1:b0:ee", "duplicate_key"),
        (b"d1:a1:xee", "trailing_bytes"),
        (b"de\n", "trailing_bytes"),
    ],
)
def test_refuses_with_a_reason(data: bytes, reason: str) -> None:
    with pytest.raises(BencodeError) as refused:
        decode(data)
    assert refused.value.reason == reason


def test_accepts_what_clients_send_though_bep3_would_not() -> None:
    assert decode(b"d1:y1:q1:a1:xe") == {b"y": b"q", b"a": b"x"}


def test_integers_up_to_64_bits() -> None:
    assert decode(b"d1:ai9223372036854775807e1:bi-9223372036854775808e1:ci0ee") == {
        b"a": 2**63 - 1,
        b"b": -(2**63),
        b"c": 0,
    }


def _lists(levels: int) -> bytes:
    return b"d1:a" + b"l" * levels + b"e" * levels + b"e"


def _dictionaries(levels: int) -> bytes:
    return b"d1:a" * levels + b"de" + b"e" * levels


@pytest.mark.parametrize("nested", [_lists, _dictionaries])
def test_nesting_is_bounded(nested: Callable[[int], bytes]) -> None:
    assert list(decode(nested(8))) == [b"a"]
    with pytest.raises(BencodeError) as refused:
        decode(nested(9))
    assert refused.value.reason == "too_deep"


@pytest.mark.parametrize("value", [b"0:", b"i0e", b"le", b"de", b"1:a1:b"])
def test_the_number_of_values_is_bounded(value: bytes) -> None:
    # the dictionary, its key and the list are values too
    fitting = 125 // (2 if value == b"1:a1:b" else 1)
    assert list(decode(b"d1:al" + value * fitting + b"ee")) == [b"a"]
    with pytest.raises(BencodeError) as refused:
        decode(b"d1:al" + value * (fitting + 1) + b"ee")
    assert refused.value.reason == "too_many_values"


@pytest.mark.timeout(5)
@pytest.mark.parametrize(
    "data",
    [
        b"d1:ai1e-6:",  # never returns in bencodepy 4.1
        b"d1:ai" + b"9" * 100_000 + b"ee",  # a quadratic conversion
        b"d" + b"9" * 100_000 + b":",
        b"d1:a" + b"l" * 100_000,
        b"d1:a" * 100_000,
        b"d1:al" + b"0:" * 100_000 + b"ee",
        b"d1:al" + b"le" * 100_000 + b"ee",
    ],
)
def test_hostile_values_cost_nothing(data: bytes) -> None:
    begin = time.process_time()
    with pytest.raises(BencodeError):
        decode(data)
    assert time.process_time() - begin < 0.1


@given(st.dictionaries(st.binary(max_size=6), values, max_size=5))
def test_reads_what_it_writes(value: dict[bytes, object]) -> None:
    assert decode(encode(value)) == value


@given(st.binary(max_size=60) | st.text("d1:aei-069lx", max_size=60).map(str.encode))
@example(b"d1:ai1e-6:")
def test_any_bytes_give_a_dictionary_or_a_known_reason(data: bytes) -> None:
    try:
        result: object = decode(data)
    except BencodeError as error:
        result = error.reason
    assert isinstance(result, dict) or result in get_args(bencode.Reason)
