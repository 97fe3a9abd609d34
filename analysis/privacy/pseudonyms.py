"""Pseudonyms of addresses: keyed, one to one, and equal in as many leading bits as the addresses are.

The scheme is Crypto-PAn (Xu, Fan, Ammar, Moon 2002): bit i of an address is flipped by the first bit of the AES of its
first i bits, so two addresses of one network become two addresses of one other network. Ports are hidden as well, since
a client is reached at its port and can be known by it: within each address they are permuted by a key (a Feistel
network over AES), so that (address, port) pairs stay distinct and nothing else of them stays.

What this does not protect from is said in `analysis.privacy.limits`.
"""

from __future__ import annotations

import hashlib

import numpy as np
from Crypto.Cipher import AES
from numpy.typing import NDArray

KEY_BYTES = 32

_ROUNDS = 6
_HALF = 16
"""Bits whose flips are kept in a table: half an address."""
_CHUNK = 1 << 14
"""Addresses at a time: 16 AES blocks for each take 4 MiB."""


class Pseudonyms:
    """The pseudonyms under one key of 32 bytes; raises ValueError for any other length. For one thread at a time."""

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_BYTES:
            raise ValueError(f"a key of pseudonyms has {KEY_BYTES} bytes, not {len(key)}")
        self._aes = AES.new(key[:16], AES.MODE_ECB)
        self._ports = AES.new(hashlib.sha256(b"montra ports" + key).digest()[:16], AES.MODE_ECB)
        pad = self._aes.encrypt(key[16:])
        self._first_bits = int.from_bytes(pad[:4], "big")
        # What AES is fed, and gives: only the first word of a block differs from the pad.
        self._blocks = np.empty((_CHUNK * _HALF, 4), ">u4")
        self._blocks[:] = np.frombuffer(pad, ">u4")
        self._encrypted = np.empty(self._blocks.nbytes, np.uint8)
        self._upper: NDArray[np.uint32] | None = None

    def addresses(self, addresses: NDArray[np.uint32]) -> NDArray[np.uint32]:
        """Return the pseudonyms uint32[n] of IPv4 addresses uint32[n] (both in host order)."""
        distinct, where = np.unique(addresses, return_inverse=True)
        parts = [self._distinct(distinct[at : at + _CHUNK]) for at in range(0, len(distinct), _CHUNK)]
        return np.concatenate([np.empty(0, np.uint32), *parts])[where]

    def requesters(
        self, addresses: NDArray[np.uint32], ports: NDArray[np.uint16]
    ) -> tuple[NDArray[np.uint64], NDArray[np.uint32]]:
        """Return the pseudonyms of requesters uint64[n], and those of their addresses uint32[n], their upper bits.

        addresses uint32[n], ports uint16[n]. A requester is address << 16 | port, both as pseudonyms: distinct pairs
        stay distinct.
        """
        pairs = addresses.astype(np.uint64) << np.uint64(16) | ports
        distinct, where = np.unique(pairs, return_inverse=True)
        own = (distinct >> np.uint64(16)).astype(np.uint32)
        hidden = self.addresses(own).astype(np.uint64)
        port = np.concatenate(
            [np.empty(0, np.uint64), *(self._port(distinct[at : at + _CHUNK]) for at in range(0, len(own), _CHUNK))]
        )
        requesters = (hidden << np.uint64(16) | port)[where]
        return requesters, (requesters >> np.uint64(16)).astype(np.uint32)

    def _distinct(self, addresses: NDArray[np.uint32]) -> NDArray[np.uint32]:
        """Flip the upper half by the table, the lower by what the whole upper half and each lower bit call for."""
        if self._upper is None:
            self._upper = self._upper_flips()
        flips = self._upper[addresses >> np.uint32(_HALF)]
        lengths = np.arange(_HALF, 32, dtype=np.uint32)
        pseudonyms: NDArray[np.uint32] = addresses ^ flips ^ self._flips(addresses, lengths)
        return pseudonyms

    def _upper_flips(self) -> NDArray[np.uint32]:
        """Return the flips uint32[65536] of each upper half, in place: 65535 blocks of AES, once."""
        flips = np.zeros(1 << _HALF, np.uint32)
        for length in range(_HALF):
            prefixes = np.arange(1 << length, dtype=np.uint32) << np.uint32(32 - length)
            bits = self._flips(prefixes, np.array([length], np.uint32))
            flips |= np.repeat(bits, 1 << (_HALF - length))
        return flips

    def _flips(self, addresses: NDArray[np.uint32], lengths: NDArray[np.uint32]) -> NDArray[np.uint32]:
        """Return the flips of the bits after each of these prefix lengths uint32[m] (< 32), in place, uint32[n]."""
        rest = np.uint32(0xFFFFFFFF) >> lengths  # of length 0: all
        blocks = self._blocks[: len(addresses) * len(lengths)]
        blocks[:, 0] = ((addresses[:, None] & ~rest) | (np.uint32(self._first_bits) & rest)).ravel()
        encrypted = self._encrypted[: blocks.nbytes]
        self._aes.encrypt(blocks.view(np.uint8).ravel().data, output=encrypted.data)
        first = encrypted[::16].reshape(len(addresses), len(lengths))
        bits = (first >> 7).astype(np.uint32) << (np.uint32(31) - lengths)
        flips: NDArray[np.uint32] = np.bitwise_or.reduce(bits, axis=1)
        return flips

    def _port(self, pairs: NDArray[np.uint64]) -> NDArray[np.uint64]:
        """Return the pseudonyms of ports of pairs address << 16 | port, uint64[n] below 65536."""
        left, right = (pairs >> np.uint64(8)) & np.uint64(255), pairs & np.uint64(255)
        blocks = np.zeros((len(pairs), 2), ">u8")
        blocks[:, 0] = pairs >> np.uint64(16)
        for turn in range(_ROUNDS):
            blocks[:, 1] = np.uint64(turn << 8) | right
            mixed = np.frombuffer(self._ports.encrypt(blocks.tobytes()), np.uint8)[::16]
            left, right = right, left ^ mixed
        return left << np.uint64(8) | right
