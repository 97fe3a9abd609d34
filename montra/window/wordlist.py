"""Word lists: keywords looked up under a hash are words again where a list has them."""

from __future__ import annotations

from pathlib import Path

from montra.overlays.base import Overlay
from zone_store.keyspace.zone import Zone
from zone_store.run.folder import RunError


def read_words(path: Path, overlay: Overlay, zone: Zone) -> dict[bytes, str]:
    """Return the words of a list, one a line in UTF-8, by their content IDs; those outside the zone are left out.

    Nothing for an overlay that has no keywords. Raises RunError for a file that cannot be read.
    """
    found: dict[bytes, str] = {}
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            for line in file:
                word = line.strip().lower()
                key = overlay.keyword_id(word) if word else None
                if key is not None and zone.contains(key):
                    found[key] = word
    except OSError as error:
        raise RunError(f"cannot read {path}: {error.strerror}") from None
    return found
