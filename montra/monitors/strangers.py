"""Who of the strangers that ask a monitor gets a reply, and from which address.

What is said, and to which clients, is the overlay's (`montra.overlays.base.Courtesy`). Replies leave under the
endpoint's own limits for strangers, so that they never hold up what is said to targets.
"""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray

from montra.datagrams import Counters, Datagram, DatagramBatch, StrangerReply
from montra.monitors.nearness import Nearness
from montra.monitors.pool import AddressPool
from montra.monitors.wheel import Rows
from montra.overlays.base import Asked, Courtesy, Overlay, Said, Scan
from zone_store.captures import Flag
from zone_store.contents import Content
from zone_store.keyspace.ids import common_prefix_lengths

#: Addresses kept aside for replies that must not come from the monitor's own. They take turns, since clients shut out
#: an address that sent them such a reply: jech/dht the last ten. The pool lends them to nobody else meanwhile, but
#: targets come first (`give_way`).
SPARES = 32


class Strangers:
    """Replies to strangers' lookups, and what they bring.

    Counters: stranger_replies_<policy>, stranger_contents, and stranger_<why> where a reply or content was dropped.
    """

    def __init__(
        self, overlay: Overlay, courtesy: Courtesy, pool: AddressPool, nearness: Nearness, counters: Counters
    ) -> None:
        self._overlay = overlay
        self._courtesy = courtesy
        self._pool = pool
        self._nearness = nearness
        self._refresh_bits = overlay.refresh_bits
        self._counters = counters
        self._spares: list[int] = []
        self._most_spares = SPARES
        self._turn = 0

    def wanted(self, batch: DatagramBatch, scan: Scan, asked: Rows) -> Rows:
        """Return which of these lookups of strangers may be answered: no one's refresh of its own table, none of ours.

        A refresh goes to the requester's own neighbourhood and nobody waits for its end.
        """
        own = self._pool.are_own(batch.source_ip[asked], batch.source_port[asked])
        refresh = common_prefix_lengths(scan.key[asked], scan.requester_id[asked]) >= self._refresh_bits
        return asked[~(own | refresh | (scan.flags[asked] & Flag.BOOTSTRAP > 0))]

    def answer(
        self, now_ns: int, batch: DatagramBatch, scan: Scan, wanted: Rows, monitor_ids: NDArray[np.uint8]
    ) -> list[Datagram]:
        """Return the replies to these lookups of a batch; monitor_ids: uint8[len(wanted), L], of who was asked."""
        nearer = partial(self._nearness.count, now_ns)
        replies = self._courtesy.answer(now_ns, Asked(batch, scan, wanted, monitor_ids, nearer))
        self._counters.merge((f"stranger_{name}", n) for name, n in replies.dropped.counts.items())
        local = batch.local[replies.rows]
        aside = np.flatnonzero(replies.aside)
        if len(aside):
            # chosen for the other end of the ID space: the pool keeps neighbours in it out of each other's /24s
            local[aside] = self._take_turns(len(aside), (~monitor_ids[0]).tobytes())
        sent = local >= 0
        self._counters.add("stranger_no_spare", int(np.count_nonzero(~sent)))
        for name, n in zip(self._courtesy.policies, np.bincount(replies.policy[sent]).tolist(), strict=False):
            self._counters.add(f"stranger_replies_{name}", n)
        columns = (local, batch.source_ip[replies.rows], batch.source_port[replies.rows])
        made = map(StrangerReply._make, zip(*(column.tolist() for column in columns), replies.payloads, strict=True))
        if replies.late:
            self._counters.add(f"stranger_replies_{self._courtesy.policies[replies.late_policy]}", len(replies.late))
        return [*replies.late, *(reply for reply in made if reply.local >= 0)]

    def contents(
        self, now_ns: int, batch: DatagramBatch, rows: Rows, attachments: NDArray[np.uint32]
    ) -> tuple[list[Content], int]:
        """Return what strangers say of content IDs because a monitor answered them, and how many datagrams name such.

        attachments: uint32[len(rows)], of the monitors that got these datagrams of a batch.
        """
        counters, invited = Counters(), partial(self._courtesy.invited, now_ns)
        found, datagrams = self._overlay.contents(Said(batch, rows, attachments, invited), counters)
        self._counters.merge((f"stranger_{name}", n) for name, n in counters.counts.items())
        self._counters.add("stranger_contents", len(found))
        return found, datagrams

    def give_way(self) -> bool:
        """Give an address kept aside back to the pool for a target that finds none; False if there is none left.

        It is not replaced, lest it and the next free pair change hands with every lookup.
        """
        if not self._spares:
            return False
        self._pool.release(self._spares.pop())
        self._most_spares = len(self._spares)
        return True

    def _take_turns(self, n: int, holder_id: bytes) -> NDArray[np.int32]:
        """Return the addresses aside whose turn it is, int32[n], -1 if the pool has none to spare.

        holder_id: the ID for which the pool chooses them.
        """
        while len(self._spares) < self._most_spares:
            local = self._pool.acquire(holder_id)
            if local is None:
                break
            self._spares.append(local)
        if not self._spares:
            return np.full(n, -1, np.int32)
        turns = self._turn + np.arange(n)
        self._turn = int(turns[-1] + 1) % len(self._spares)
        return np.array(self._spares, np.int32)[turns % len(self._spares)]
