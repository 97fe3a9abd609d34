from __future__ import annotations

import pytest

from montra.overlays.base import version_number
from montra.overlays.kad.clients import version_name


@pytest.mark.parametrize(
    ("version", "name"),
    [
        (b"", "none"),
        (b"\x08", "Kad 8 (since eMule 0.49b, aMule 2.2)"),
        (b"\x09", "Kad 9 (since eMule 0.50a)"),
        (b"\x0a", "Kad 10"),
        (b"\xff", "Kad 255"),
    ],
)
def test_versions_have_names(version: bytes, name: str) -> None:
    assert version_name(version_number(version)) == name
