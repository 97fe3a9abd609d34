"""Names of clients by the `v` field of their messages: two letters and two bytes of version.

The letters follow libtorrent's "Mainline DHT extensions" page and the clients' sources; the forms of libtorrent,
rTorrent and aria2 were checked against packets of these clients.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final


def _nibbles(first: int, second: int) -> str:
    """Major version, then minor and tiny in four bits each (libtorrent: LT 02 11 is 2.1.1)."""
    return f" {first}.{second >> 4}.{second & 15}"


def _zero_nibbles(first: int, second: int) -> str:
    """As `_nibbles` behind a major version of 0 (rTorrent's libtorrent: lt 0d 80 is 0.13.8)."""
    return f" 0.{first}.{second >> 4}"


def _build(first: int, second: int) -> str:
    """One 16-bit number (uTorrent's build, the revision of old Transmissions)."""
    return f" {first << 8 | second}"


def _digits(first: int, second: int) -> str:
    """Two ASCII characters (MonoTorrent: MO06)."""
    text = bytes((first, second))
    return f" {text.decode()}" if text.isalnum() else ""


def _pair(first: int, second: int) -> str:
    """Two numbers."""
    return f" {first}.{second}"


def _none(first: int, second: int) -> str:  # noqa: ARG001
    """Bytes that say nothing (aria2 always sends 00 03)."""
    return ""


_CLIENTS: Final[Mapping[bytes, tuple[str, Callable[[int, int], str]]]] = {
    b"A2": ("aria2", _none),
    b"AZ": ("mldht", _none),
    b"Az": ("mldht", _build),
    b"GR": ("GetRight", _none),
    b"LT": ("libtorrent", _nibbles),
    b"MO": ("MonoTorrent", _digits),
    b"MP": ("MooPolice", _none),
    b"TR": ("Transmission", _build),
    b"UT": ("uTorrent", _build),
    b"lt": ("rTorrent libtorrent", _zero_nibbles),
    b"mT": ("montra", _pair),
}


def version_name(version: int) -> str:
    """Name the client of a captured version column: "libtorrent 2.1.1", "unknown 5a5a0001", "none" for 0."""
    if not version:
        return "none"
    code = version.to_bytes(4, "big")
    if code[:2] not in _CLIENTS:
        return f"unknown {code.hex()}"
    name, number = _CLIENTS[code[:2]]
    return name + number(code[2], code[3])
