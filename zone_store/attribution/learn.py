"""What a run itself tells of the chances that destinations are inferred by: how often an unhidden monitor is asked."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from zone_store.attribution.chances import Chances
from zone_store.attribution.destination import lookups_of
from zone_store.attribution.infer import Inference
from zone_store.attribution.stream import OpenGroups
from zone_store.attribution.targets import Targets
from zone_store.captures import Captures, Kind

SAMPLE = 1 << 17
"""Captures learned from, about: whole lookups of some requesters and keys, over the whole run."""

FEWEST_COPIES = 4
"""Lookups with fewer went elsewhere, or were single packets of a table's upkeep."""

PRIOR = 200
"""So many lookups does the lab's experience weigh."""

_FOR_KEYS = (Kind.LOOKUP, Kind.SEARCH, Kind.PUBLISH)


class Tally(NamedTuple):
    """trials: lookups whose nearest target is known to have been alive and shown, its monitor hidden by no other of its
    address group; asked: of them, those in which that monitor got a copy.
    """

    trials: int
    asked: int


def learned(chances: Chances, tally: Tally) -> Chances:
    """Return chances that agree with a tally: the silence of unhidden monitors is shared out as in the lab."""
    usual = (1 - chances.reached) + (1 - chances.shown)
    silence = (tally.trials - tally.asked + usual * PRIOR) / (tally.trials + PRIOR)
    more = silence / usual
    return chances._replace(
        reached=max(0.5, 1 - (1 - chances.reached) * more), shown=max(0.5, 1 - (1 - chances.shown) * more)
    )


def tally_of(captures: Captures, targets: Targets, inference: Inference, span_ns: int) -> Tally:
    """Return the tally of captures in time order; raises RunError as attribution does."""
    open_groups = OpenGroups(targets, span_ns, span_ns, captures.key.shape[1])
    trials = asked = 0
    for groups in (open_groups.step(captures), open_groups.close()):
        draft = lookups_of(groups, targets)
        draft = draft.take(np.isin(draft.kind, _FOR_KEYS) & (draft.copies >= FEWEST_COPIES))
        for part, attached in targets.stretches(draft.time_ns):
            nearest, plain = inference.unhidden(draft.between(part.start, part.stop), attached)
            trials += int(np.count_nonzero(plain))
            asked += int(np.count_nonzero(plain & (nearest == draft.heard[part, 0])))
    return Tally(trials, asked)
