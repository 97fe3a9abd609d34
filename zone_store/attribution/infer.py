"""Fills in where drafts of lookups truly ended: gathers what `inference` weighs, in bounded memory."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from zone_store.attribution.attached import Attached
from zone_store.attribution.chances import CANDIDATES, SECOND_NS, Chances
from zone_store.attribution.destination import Draft
from zone_store.attribution.inference import Silent, most_probable, received
from zone_store.attribution.targets import FOREVER, Targets

TOGETHER = 1 << 13
"""Lookups weighed at once: their candidates stay in the CPU's cache."""


class Inference:
    """Infers the destinations of a run's lookups.

    contact_bits: leading bits of addresses of which a client takes `contacts` contacts only into a lookup, by the first
    two bytes of its version; clients not named take any.
    """

    def __init__(self, targets: Targets, contact_bits: Mapping[int, int], chances: Chances, contacts: int = 1) -> None:
        self._targets = targets
        self._contact_bits = contact_bits
        self._contacts = contacts
        self._chances = chances
        self._departures_per_s = targets.departures_per_s(sum(chances.noticed_s) / 2)
        # Somebody nearer than all known may have come so lately that nobody is attached yet.
        unknown = self._departures_per_s * chances.attached_s * chances.reached_new
        self._known = 1 / (1 + unknown)

    def fill(self, draft: Draft, attached: Attached) -> None:
        """Set `inferred` and `confidence` of drafts by rising time, rank set, all within the stretch of `attached`."""
        heard = draft.heard[:, 0].astype(np.intp)
        ended = self._targets.end_ns[heard] <= draft.time_ns
        chance = np.where(ended, self._chances.heard_ended, self._chances.heard)
        draft.inferred = self._targets.number[heard]
        draft.confidence = (chance * self._known).astype(np.float32)
        # Where nothing known is nearer than the monitor that got a copy, there is nothing to weigh but an ended one.
        rows = np.flatnonzero((draft.rank > 0) | ended)
        for start in range(0, len(rows), TOGETHER):
            part = rows[start : start + TOGETHER]
            best, most = self._weigh(draft.take(part), chance[part], attached)
            draft.inferred[part] = self._targets.number[best]
            draft.confidence[part] = (most * self._known).astype(np.float32)

    def unhidden(self, draft: Draft, attached: Attached) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
        """Return each lookup's nearest target (row), and whether nothing but chance can keep its monitor from a copy.

        Such a target has long been known, was seen handing its monitor out, lived on for a while, and shares its
        address group with no more candidates than are taken of one.
        """
        targets = self._targets
        rows, there = self._candidates(draft, attached)
        first = there.argmax(axis=1)
        nearest = rows[np.arange(len(rows)), first]
        slow_ns = round(self._chances.noticed_s[1] * SECOND_NS)
        old_ns = round(self._chances.settle_s * SECOND_NS)
        later_ns = np.minimum(targets.left_ns[nearest], targets.last_ns)
        plain = there.any(axis=1) & (later_ns - draft.time_ns > slow_ns)
        plain &= draft.time_ns - targets.begin_ns[nearest] > old_ns
        plain &= targets.visible(nearest, draft.time_ns)
        bits = self._bits(draft.version)
        shift = (np.uint32(32) - bits)[:, None] % np.uint32(32)
        group = np.where(there, targets.ip[rows], np.uint32(0)) >> shift
        alike = (group == group[np.arange(len(group)), first][:, None]) & there
        return nearest, plain & ((bits == 0) | (alike.sum(axis=1) <= self._contacts))

    def _candidates(self, draft: Draft, attached: Attached) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
        """Return the rows of the nearest targets intp[m, CANDIDATES], and which of them are attached then."""
        rows = attached.nearest(draft.time_ns, draft.key, CANDIDATES)
        return rows, rows >= 0

    def _weigh(
        self, draft: Draft, heard: NDArray[np.float64], attached: Attached
    ) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        """Return the most probable destination of each lookup (row in the targets), and how probable it is.

        heard: the chance that the closest monitor with a copy has a target that received the lookup.
        """
        targets, chances = self._targets, self._chances
        rows, there = self._candidates(draft, attached)
        place = np.cumsum(there, axis=1) - 1
        ip = np.where(there, targets.ip[rows], np.uint32(0))
        seen = targets.visible(rows, np.broadcast_to(draft.time_ns[:, None], rows.shape))
        silent = Silent(
            there=there,
            nearer=there & (place < draft.rank[:, None]),
            place=place,
            reached=self._reached(rows, seen, draft.time_ns[:, None]),
            shown=np.where(ip == 0, 0.0, np.where(seen, chances.shown, chances.shown_unseen)),
            ip=ip,
            bits=self._bits(draft.version),
            heard_ip=np.where(draft.heard >= 0, targets.ip[draft.heard], np.uint32(0)),
            contacts=self._contacts,
        )
        # Behind the nearer ones stand the monitors that got a copy, nearest first.
        second = np.where(draft.heard[:, 1] >= 0, chances.heard, 0.0)
        chance = np.column_stack([received(silent, chances), heard, second])
        best, most = most_probable(chance)
        every = np.column_stack([rows, draft.heard[:, :2]])
        return every[np.arange(len(best)), best], most

    def _reached(
        self, rows: NDArray[np.intp], seen: NDArray[np.bool_], time_ns: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """Return the chance of each candidate to receive its lookup, before any copy was observed, float64[m, c].

        rows intp[m, c]: -1 for none; seen bool[m, c]: whether it handed its monitor out then; time_ns int64[m, 1].
        """
        targets, chances = self._targets, self._chances
        known_s = (time_ns - targets.begin_ns[rows]) / SECOND_NS
        # Who was there when the run began may have been for hours.
        old = (targets.begin_ns[rows] - targets.first_ns) / SECOND_NS < chances.settle_s
        settled = np.where(old, 1.0, np.clip(known_s / chances.settle_s, 0.0, 1.0))
        chance = chances.reached_new + (chances.reached - chances.reached_new) * settled
        # Dead though still attached: for sure where that is noticed soon after, by chance where nothing was noticed.
        bare = targets.ip[rows] == 0
        unseen = ~seen & (targets.last_visible_ns[rows] <= time_ns) & ~bare
        sooner = np.where(bare, chances.doubted_s, 0.0)
        fast, slow = (np.maximum(seconds - sooner, 0.0) for seconds in chances.noticed_s)
        slow = np.where(unseen, np.maximum(slow, chances.noticed_unseen_s), slow)
        left_s = (targets.left_ns[rows] - time_ns) / SECOND_NS
        alive = np.clip((left_s - fast) / np.maximum(slow - fast, 1e-9), 0.0, 1.0)
        unwatched_s = (fast + slow) / 2 - (targets.last_ns - time_ns) / SECOND_NS
        # Dead before they were ever seen are some of those who come, and who comes is as many as leave.
        shy_s = np.minimum(known_s, chances.noticed_unseen_s) - chances.shy_s
        unwatched_s = np.where(unseen, shy_s * chances.unseen_s * self._departures_per_s, unwatched_s)
        stays = targets.left_ns[rows] == FOREVER
        alive = np.where(stays, 1 / (1 + self._departures_per_s * np.maximum(unwatched_s, 0.0)), alive)
        return np.where(rows >= 0, chance * alive, 0.0)

    def _bits(self, version: NDArray[np.uint32]) -> NDArray[np.uint8]:
        bits = np.zeros(len(version), np.uint8)
        client = version >> np.uint32(16)
        for prefix, compared in sorted(self._contact_bits.items()):
            bits[client == prefix] = compared
        return bits
