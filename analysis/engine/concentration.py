"""How few keys the lookups of a run are for."""

from __future__ import annotations

from analysis.engine.database import Database


def effective_keys(db: Database) -> float:
    """Return how many keys, equally popular, would be as few as those of the run are (inverse Simpson index).

    Chance in what happens to a key, all of whose lookups end at one node, averages out over so many; 0 for no lookups.
    """
    ((lookups, squares),) = db.rows("SELECT sum(lookups), sum(lookups::HUGEINT * lookups) FROM keys")
    return float(lookups) ** 2 / float(squares) if squares else 0.0
