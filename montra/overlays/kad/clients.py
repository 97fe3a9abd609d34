"""Names of clients by the Kad version that they tell (eMule `Opcodes.h`; aMule `protocol/kad2/Constants.h`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

#: The first eMule that spoke each version; aMule followed later with the same numbers.
_FIRST: Final[Mapping[int, str]] = {
    1: "eMule 0.46c",
    2: "eMule 0.47a",
    3: "eMule 0.47b",
    4: "eMule 0.47c",
    5: "eMule 0.48a",
    6: "eMule 0.49a beta",
    7: "eMule 0.49a",
    8: "eMule 0.49b, aMule 2.2",
    9: "eMule 0.50a",
}


def version_name(version: int) -> str:
    """Name the clients of a version column's number, whose first byte is the Kad version.

    "Kad 8 (since eMule 0.49b, aMule 2.2)", "Kad 77", "none" for 0.
    """
    number = version >> 24
    if not number:
        return "none"
    first = _FIRST.get(number)
    return f"Kad {number} (since {first})" if first else f"Kad {number}"
