"""What is assumed of clients and networks when a lookup's true destination is inferred: a few numbers, with sources."""

from __future__ import annotations

from typing import NamedTuple

SECOND_NS = 1_000_000_000

CANDIDATES = 16
"""So many nearest known targets may be the destination, beside the monitors that got a copy."""


class Chances(NamedTuple):
    """Probabilities of the model in `inference`; defaults as measured in the lab (`montra validate confidence`).

    reached: that a live target which has been known for `settle_s` receives a lookup that it is nearest to;
    reached_new: the same of one just come, linear in between; shown: that the monitor of a target that receives the
    lookup, and is seen handing it out, gets a copy if nothing hides it; shown_unseen: the same where it was not seen;
    heard: that a monitor with a copy has a target that received the lookup, too; heard_ended: the same where its
    attachment had ended before; order: weight with which the monitor of the nearest, second nearest, ... target is the
    first of its address group to be heard of; asked: targets so near are asked if they are heard of.

    noticed_s: so long after a target has left that is noticed, each time between the two as likely; doubted_s: so much
    sooner for a bare target, since no monitor of its asks again; noticed_unseen_s: at most so long where the monitor
    was never seen; unseen_s, shy_s: who lives is soon seen to hand its monitor out, so the odds that such a target is
    dead grow by unseen_s times the squared rate of departures for each second that it was attached beyond shy_s;
    attached_s: from a node's coming to its attachment.
    """

    reached: float = 0.992
    reached_new: float = 0.9
    settle_s: float = 20.0
    shown: float = 0.98
    shown_unseen: float = 0.3
    heard: float = 0.998
    heard_ended: float = 0.1
    order: tuple[float, ...] = (1.0,) * CANDIDATES
    asked: int = 8
    noticed_s: tuple[float, float] = (16.6, 22.0)
    doubted_s: float = 10.0
    noticed_unseen_s: float = 135.0
    unseen_s: float = 580.0
    shy_s: float = 5.0
    attached_s: float = 4.0


LAB = Chances()
"""Where nothing better is known."""
