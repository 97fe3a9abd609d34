"""How many canaries a window sends, and from where."""

from __future__ import annotations

from dataclasses import dataclass

#: A canary lookup asks some twenty nodes; more of them tell little more and are traffic without need.
MOST_PER_MINUTE = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CanarySettings:
    """Own lookups for random keys in the zone. addresses: "ip:port" each, in no /24 of monitors; none: no canaries.

    per_minute: lookups a minute, of all addresses together. Raises ValueError.
    """

    addresses: tuple[str, ...] = ()
    per_minute: float = 4.0

    def __post_init__(self) -> None:
        if not 0 < self.per_minute <= MOST_PER_MINUTE:
            raise ValueError(f"canaries.per_minute = {self.per_minute}: must lie above 0 and at most {MOST_PER_MINUTE}")
