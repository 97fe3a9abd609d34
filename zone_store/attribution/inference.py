"""Where a lookup truly ended: the most probable of the known targets, and how probable that is.

The closest monitor that got a copy is not always the destination's: clients that take one contact of an address group
(libtorrent: a /24, uTorrent: an IP) into a lookup, or two (eMule: a /24), miss the other monitors of the group, and
some targets have no monitor, or do not hand it out. The true destination is the nearest real node that received the
lookup. Candidates are the known targets nearer to the key than the closest monitor that got a copy, all of them silent,
then that monitor's target. A silent candidate i received the lookup with the odds

    reached_i * silent_i  :  1 - reached_i

where reached_i is the chance before anything was observed and silent_i that of its monitor's silence if it was reached:

    silent_i = 1 - shown_i * w_i / (w_i + W_i)

shown_i is the chance that a monitor is asked when nothing hides it (0 without a monitor), w_i the weight with which i's
monitor is the first of its group to be heard of (Luce's rule of choice), and W_i the weight of those that may have been
first instead: where another monitor of the group got a copy, all others of the group; otherwise those too far from the
key to be asked although they were first. So a silent monitor beside one of its group that was asked says nothing, and
one with an address of its own says much. Where clients take two contacts of a group, i's monitor may also be the second
to be heard of, and only two monitors with a copy say that others were first. With p_i for these chances, ordered by
distance,

    P[the destination is j] = p_j * product of (1 - p_i) over all i nearer than j.

All of it is a fixed order of elementwise sums and products, so the result does not depend on how rows are divided.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from zone_store.attribution.chances import Chances

NEVER_SHARED = np.uint8(0)
"""Bits of addresses that a client compares which takes any number of contacts."""


class Silent(NamedTuple):
    """m lookups with c candidates each, nearest first.

    there bool[m, c]: rows that are no candidates are False; nearer bool[m, c]: than the closest monitor that got a
    copy; place int64[m, c]: among those there; reached, shown float64[m, c]: as in `Chances`, shown 0 for targets
    without a monitor; ip uint32[m, c]: the monitor's; bits uint8[m]: of addresses that the lookup's client compares, 0
    if none; heard_ip uint32[m, k]: addresses of monitors that got a copy, 0 = none; contacts: so many of an address
    group are taken into a lookup.
    """

    there: NDArray[np.bool_]
    nearer: NDArray[np.bool_]
    place: NDArray[np.int64]
    reached: NDArray[np.float64]
    shown: NDArray[np.float64]
    ip: NDArray[np.uint32]
    bits: NDArray[np.uint8]
    heard_ip: NDArray[np.uint32]
    contacts: int = 1


def received(silent: Silent, chances: Chances) -> NDArray[np.float64]:
    """Return the probability that each silent candidate received the lookup, float64[m, c]; 0 for all others."""
    order = np.array(chances.order)
    weight = np.where(silent.there & (silent.shown > 0), order[np.minimum(silent.place, len(order) - 1)], 0.0)
    weight *= silent.reached
    shift = (np.uint32(32) - silent.bits)[:, None] % np.uint32(32)
    shared = (silent.bits > NEVER_SHARED)[:, None]
    group = silent.ip >> shift
    copies = np.zeros(silent.there.shape, np.uint8)
    for k in range(silent.heard_ip.shape[1]):
        ip = silent.heard_ip[:, k : k + 1]
        copies += (ip > 0) & (ip >> shift == group)
    heard = copies >= silent.contacts
    all_others = np.zeros(silent.there.shape)
    unasked = np.zeros(silent.there.shape)
    for k in range(silent.there.shape[1]):
        same = group[:, k : k + 1] == group
        same[:, k] = False
        other = np.where(same, weight[:, k : k + 1], 0.0)
        all_others += other
        unasked += np.where(silent.place[:, k : k + 1] >= chances.asked, other, 0.0)
    # A monitor outside the table of candidates may be the one of the group that was asked.
    rivals = np.where(heard, np.maximum(all_others, silent.contacts * order[-1]), unasked) * shared
    taken = np.divide(weight, weight + rivals, out=np.zeros_like(weight), where=weight > 0)
    if silent.contacts > 1:
        taken = 1 - (1 - taken) * _passed_over(weight, rivals, silent.contacts)
    likely = silent.reached * (1 - silent.shown * taken)
    total = likely + (1 - silent.reached)
    chance = np.divide(likely, total, out=np.zeros_like(likely), where=total > 0)
    return np.where(silent.nearer, chance, 0.0)


def _passed_over(weight: NDArray[np.float64], rivals: NDArray[np.float64], contacts: int) -> NDArray[np.float64]:
    """Return the chance that a monitor passed over as the first of its group is not among the next ones either.

    weight, rivals float64[m, c]: its own, and that of all who may have been before it; each that was is taken to have
    had its own weight.
    """
    passed = np.ones(weight.shape)
    for before in range(1, contacts):
        left = np.maximum(rivals - before * weight, 0.0)
        passed *= np.divide(left, weight + left, out=np.ones_like(weight), where=weight > 0)
    return passed


def most_probable(chance: NDArray[np.float64]) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Return of candidates float64[m, c], nearest first, the column of the most probable destination and its chance.

    chance: that each received the lookup. Of equals the nearer one.
    """
    best = np.zeros(len(chance), np.intp)
    most = np.full(len(chance), -1.0)
    left = np.ones(len(chance))
    for column in range(chance.shape[1]):
        here = left * chance[:, column]
        better = here > most
        best[better] = column
        most[better] = here[better]
        left = left * (1 - chance[:, column])
    return best, most
