"""What users look for: the keys of a zone, and how popular each is."""

from __future__ import annotations

import random

import numpy as np

from montra.simulator.settings import NetworkSettings


class Content:
    """Keys of the zone by rank of popularity, which falls as a power of the rank (exponent zipf).

    `keys_seed` and `keys_new` of the settings say which of them other windows of the zone share; rng: draws those that
    are this window's own.
    """

    def __init__(self, settings: NetworkSettings, rng: random.Random, kind: str = "") -> None:
        if not settings.keys_seed:
            self.keys = [settings.zone.random_id(rng) for _ in range(settings.keys)]
        else:
            shared = random.Random(f"{settings.keys_seed} {settings.zone} {kind}")
            self.keys = [settings.zone.random_id(shared) for _ in range(settings.keys)]
            for rank in range(settings.keys):
                if rng.random() < settings.keys_new:
                    self.keys[rank] = settings.zone.random_id(rng)
        weights = 1 / np.arange(1, settings.keys + 1) ** settings.zipf
        self._popularity = np.cumsum(weights / weights.sum())

    def draw(self, rng: random.Random) -> int:
        """Draw the rank of a key, by popularity."""
        return min(int(np.searchsorted(self._popularity, rng.random())), len(self.keys) - 1)
