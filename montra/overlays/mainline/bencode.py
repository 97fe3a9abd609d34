"""Bencode (BEP 3) for datagrams of strangers: bounded, always ends, fails in one way.

Built on `bencodepy`, which alone must not see the network: in 4.1 a negative string length walks backwards, so that
`d1:ai1e-6:` never returns, lengths and integers are whatever `int()` takes, and a repeated key silently overwrites.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

import bencodepy

#: Deepest nesting accepted; KRPC messages need 4.
MAX_DEPTH = 8
#: Most strings, integers, lists and dictionaries in one message: 2 kB of empty strings would cost half a millisecond.
#: The longest in use is a get_peers reply: libtorrent puts 100 peers in it.
MAX_VALUES = 128

Reason = Literal[
    "not_a_dict",
    "not_bencode",
    "bad_string",
    "bad_integer",
    "too_deep",
    "too_many_values",
    "duplicate_key",
    "trailing_bytes",
]

_LENGTH = re.compile(rb"(0|[1-9][0-9]{0,6}):")
# 19 digits hold any 64-bit number; `int()` of a long text takes quadratic time, and raises beyond 4,300 digits.
_INTEGER = re.compile(rb"i(0|-?[1-9][0-9]{0,18})e")


class BencodeError(ValueError):
    """The bytes are not one bencoded dictionary within the bounds; `reason` is one of `Reason`."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason = reason


class _Decoder(bencodepy.BencodeDecoder):  # type: ignore[misc]  # bencodepy is untyped
    """The stock decoder with every place that trusts its input replaced. Not for two threads at once."""

    _values = 0  # read so far

    def _count(self) -> None:
        self._values += 1
        if self._values > MAX_VALUES:
            raise BencodeError("too_many_values")

    def decode(self, value: bytes) -> dict[bytes, object]:
        if value[:1] != b"d":
            raise BencodeError("not_a_dict")
        self._values = 0
        try:
            pairs, end = self.decode_dict(value, 0)
        except KeyError:  # a byte, or the end, where a value should start
            raise BencodeError("not_bencode") from None
        except bencodepy.BencodeDecodeError:  # the stock check of the depth of lists
            raise BencodeError("too_deep") from None
        if end != len(value):
            raise BencodeError("trailing_bytes")
        return pairs

    def decode_string(self, x: bytes, f: int, **_: object) -> tuple[bytes, int]:
        self._count()
        found = _LENGTH.match(x, f)
        if found is None:
            raise BencodeError("bad_string")
        begin = found.end()
        end = begin + int(found[1])
        if end > len(x):
            raise BencodeError("bad_string")
        return x[begin:end], end

    def decode_int(self, x: bytes, f: int, **_: object) -> tuple[int, int]:
        self._count()
        found = _INTEGER.match(x, f)
        if found is None:
            raise BencodeError("bad_integer")
        return int(found[1]), found.end()

    def decode_list(self, x: bytes, f: int, **more: int) -> tuple[list[object], int]:
        self._count()
        values: tuple[list[object], int] = super().decode_list(x, f, **more)
        return values

    def decode_dict(self, x: bytes, f: int, depth: int = 0, **_: object) -> tuple[dict[bytes, object], int]:
        self._count()
        if depth > self.max_depth:
            raise BencodeError("too_deep")
        pairs: dict[bytes, object] = {}
        f += 1
        while x[f : f + 1] != b"e":
            key, f = self.decode_string(x, f)
            if key in pairs:
                raise BencodeError("duplicate_key")
            pairs[key], f = self.decode_func[x[f : f + 1]](x, f, depth=depth + 1)
        return pairs, f + 1


_DECODER = _Decoder(max_depth=MAX_DEPTH)


def decode(data: bytes) -> dict[bytes, object]:
    """Return the one dictionary that `data` encodes, strings as bytes; raises BencodeError on anything else.

    Keys need not be sorted (BEP 3 wants it, not all clients do it), but a repeated key has no one meaning and is
    refused, as are trailing bytes, numbers with leading zeros, and more than `MAX_DEPTH` levels or `MAX_VALUES` values.
    """
    pairs: dict[bytes, object] = _DECODER.decode(data)
    return pairs


def encode(value: Mapping[bytes, object]) -> bytes:
    """Return the bencoding of a dictionary of bytes, integers, lists and dictionaries, keys sorted."""
    return bytes(bencodepy.encode(dict(value)))
