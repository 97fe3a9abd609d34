from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from montra.overlays.mainline.clients import version_name


@pytest.mark.parametrize(
    ("version", "name"),
    [
        (0, "none"),
        (0x4C540211, "libtorrent 2.1.1"),
        (0x4C540102, "libtorrent 1.0.2"),
        (0x6C740D80, "rTorrent libtorrent 0.13.8"),
        (0x5554AB14, "uTorrent 43796"),
        (0x5452239D, "Transmission 9117"),
        (0x41320003, "aria2"),
        (0x4D4F3036, "MonoTorrent 06"),
        (0x4D4F00FF, "MonoTorrent"),
        (0x415A3030, "mldht"),
        (0x417A0102, "mldht 258"),
        (0x6D540001, "montra 0.1"),
        (0x5A5A0001, "unknown 5a5a0001"),
        (1, "unknown 00000001"),
    ],
)
def test_names(version: int, name: str) -> None:
    assert version_name(version) == name


@given(st.integers(0, 0xFFFFFFFF))
def test_every_version_has_a_printable_name(version: int) -> None:
    assert version_name(version).isprintable()
