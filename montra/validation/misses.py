"""Why a lookup was missed, or its destination taken for another: one name for each."""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum

from montra.validation.truth import TruthLookup, TruthNode
from zone_store.captures import Attachment

#: An ended attachment's monitor still captures for so long, and nobody else gets its address: the fleet's `linger_s`.
_LINGER_NS = 60_000_000_000


class Miss(StrEnum):
    """The first of these that holds for the true destination, when the lookup was made.

    NEARER_MONITOR: the copy nearest to the key went to the monitor of another node, nearer than any that received the
    query itself; LOST: the requester sent to its monitor (where nothing was captured: to any monitor), but no capture,
    so the loss is montra's own whatever it knew of the monitor; TARGET_NOT_FOUND: the crawler had not found it;
    NOT_INTRODUCED: found, its monitor not introduced; RETIRED: its monitor had been taken away already; NOT_VISIBLE: it
    was not seen handing its monitor out; SAME_SUBNET: the requester asked another monitor in the /24 of its monitor;
    NEVER_CAME_NEAR: its monitor was visible, but the requester did not ask it. With few /24s that is mostly the same
    thing: libtorrent takes the first contact of each /24 into a lookup, even one that it never gets to ask, and the
    truth does not tell what a requester only heard of.
    """

    NEARER_MONITOR = "nearer_monitor"
    LOST = "lost"
    TARGET_NOT_FOUND = "target_not_found"
    NOT_INTRODUCED = "not_introduced"
    RETIRED = "retired"
    NOT_VISIBLE = "not_visible"
    SAME_SUBNET = "same_subnet"
    NEVER_CAME_NEAR = "never_came_near"


def why(
    lookup: TruthLookup,
    destination: TruthNode,
    attachments: Collection[Attachment],
    monitors: Collection[tuple[int, int]],
    attributed: Attachment | None,
) -> Miss:
    """Name the reason of a miss.

    attachments: those of the true destination's ID and address; monitors: (ip, port) of all monitors of the run;
    attributed: where the lookup was attributed to instead, None if it was not captured.
    """
    if attributed is not None:
        seen = int.from_bytes(attributed.target_id, "big") ^ lookup.key_number
        if seen < destination.number ^ lookup.key_number:
            return Miss.NEARER_MONITOR
    elif any(address in monitors for address in lookup.asked):
        return Miss.LOST
    if any(_asked(lookup, attachment) for attachment in attachments):
        return Miss.LOST
    states = [(_state(attachment, lookup.t_ns), attachment) for attachment in attachments]
    visible = [attachment for state, attachment in states if state is None]
    if not visible:
        # the attachment that had come farthest explains it
        reached = {state for state, _ in states}
        for miss in (Miss.NOT_VISIBLE, Miss.NOT_INTRODUCED, Miss.RETIRED):
            if miss in reached:
                return miss
        return Miss.TARGET_NOT_FOUND
    subnets = {attachment.monitor_ip >> 8 for attachment in visible}
    if any(address in monitors and address[0] >> 8 in subnets for address in lookup.asked):
        return Miss.SAME_SUBNET
    return Miss.NEVER_CAME_NEAR


def visible_at(attachment: Attachment, t_ns: int) -> bool:
    """Whether the target was seen handing its monitor out at this time."""
    return any(begin <= t_ns and (end == 0 or t_ns < end) for begin, end in attachment.visible)


def _asked(lookup: TruthLookup, attachment: Attachment) -> bool:
    """Whether the requester sent to this attachment's monitor while the address was its own."""
    asked_ns = lookup.asked.get((attachment.monitor_ip, attachment.monitor_port))
    if asked_ns is None or asked_ns < attachment.found_ns:
        return False
    return not 0 < attachment.lost_ns <= asked_ns - _LINGER_NS


def _state(attachment: Attachment, t_ns: int) -> Miss | None:
    """Return what keeps this attachment from capturing at a time, None if nothing does."""
    if attachment.found_ns > t_ns:
        return Miss.TARGET_NOT_FOUND
    if 0 < attachment.lost_ns <= t_ns:
        return Miss.RETIRED
    if not 0 < attachment.introduced_ns <= t_ns:
        return Miss.NOT_INTRODUCED
    return None if visible_at(attachment, t_ns) else Miss.NOT_VISIBLE
