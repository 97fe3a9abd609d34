"""Why a lookup was missed, or its destination taken for another: one name for each."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from enum import StrEnum

from montra.validation.attributed import Found
from montra.validation.truth import TruthLookup, TruthNode
from zone_store.captures import Attachment

#: An ended attachment's monitor still captures for so long, and nobody else gets its address: the fleet's `linger_s`.
_LINGER_NS = 60_000_000_000


class Miss(StrEnum):
    """Why: the first of these that holds for the true destination, when the lookup was made. MEANING has each in words.

    LOST asks what the requester sent, so what montra believed of its monitor is no excuse. NEVER_CAME_NEAR with few
    /24s is mostly SAME_SUBNET in disguise: libtorrent takes the first contact of each /24 into a lookup, even one that
    it never gets to ask, and the truth does not tell what a requester only heard of.
    """

    MERGED = "merged"
    INFERENCE = "inference"
    NEARER_MONITOR = "nearer_monitor"
    LOST = "lost"
    TARGET_NOT_FOUND = "target_not_found"
    NO_MONITOR = "no_monitor"
    NOT_INTRODUCED = "not_introduced"
    RETIRED = "retired"
    NOT_VISIBLE = "not_visible"
    SAME_SUBNET = "same_subnet"
    NEVER_CAME_NEAR = "never_came_near"


MEANING = {
    Miss.MERGED: "captured, but as a part of another lookup by the same requester for the same key",
    Miss.INFERENCE: "the observed destination was right, inference named another",
    Miss.NEARER_MONITOR: "a copy reached the monitor of a node that is nearer to the key, but got no copy itself",
    Miss.LOST: "the requester sent to the monitor, but nothing was kept: lost on the way, or by montra",
    Miss.TARGET_NOT_FOUND: "the crawler had not found the node",
    Miss.NO_MONITOR: "the fleet is thin: the node has no monitor by choice",
    Miss.NOT_INTRODUCED: "found, but its monitor was not introduced yet",
    Miss.RETIRED: "its monitor had been taken away already",
    Miss.NOT_VISIBLE: "its monitor was introduced, but not seen to be handed out",
    Miss.SAME_SUBNET: "the requester asked another monitor in the /24 of its monitor",
    Miss.NEVER_CAME_NEAR: "its monitor was visible, but the requester did not ask it",
}


def why_not_captured(
    lookup: TruthLookup,
    attachments: Collection[Attachment],
    monitors: Collection[tuple[int, int]],
    rows: Iterable[Found],
    window_ns: int,
) -> Miss:
    """Name the reason why no attributed lookup is this one.

    attachments: those of the true destination's ID and address; monitors: (ip, port) of all monitors of the run; rows:
    what attribution has of this requester and key; window_ns: longest time from a command to its first copy.
    """
    # no row is left over for this command, or it would be its own
    fits = (row for row in rows if row.may_be(lookup) and not row.differs_from(lookup))
    if any(row.time_ns <= lookup.t_ns + window_ns and lookup.t_ns <= row.last_ns for row in fits):
        return Miss.MERGED
    if any(address in monitors for address in lookup.asked):
        return Miss.LOST
    return _why(lookup, attachments, monitors)


def why_wrong(
    lookup: TruthLookup,
    destination: TruthNode,
    attachments: Collection[Attachment],
    monitors: Collection[tuple[int, int]],
    attributed: Attachment,
) -> Miss:
    """Name the reason why a captured lookup was attributed to another target than the true destination.

    attachments: those of the true destination's ID and address; monitors: (ip, port) of all monitors of the run.
    """
    seen = int.from_bytes(attributed.target_id, "big") ^ lookup.key_number
    if seen < destination.number ^ lookup.key_number:
        return Miss.NEARER_MONITOR
    return _why(lookup, attachments, monitors)


def visible_at(attachment: Attachment, t_ns: int) -> bool:
    """Whether the target was seen handing its monitor out at this time."""
    return any(begin <= t_ns and (end == 0 or t_ns < end) for begin, end in attachment.visible)


def _why(lookup: TruthLookup, attachments: Collection[Attachment], monitors: Collection[tuple[int, int]]) -> Miss:
    if any(_asked(lookup, attachment) for attachment in attachments):
        return Miss.LOST
    states = [(_state(attachment, lookup.t_ns), attachment) for attachment in attachments]
    visible = [attachment for state, attachment in states if state is None]
    if not visible:
        # the attachment that had come farthest explains it
        reached = {state for state, _ in states}
        for miss in (Miss.NOT_VISIBLE, Miss.NOT_INTRODUCED, Miss.NO_MONITOR, Miss.RETIRED):
            if miss in reached:
                return miss
        return Miss.TARGET_NOT_FOUND
    subnets = {attachment.monitor_ip >> 8 for attachment in visible}
    if any(address in monitors and address[0] >> 8 in subnets for address in lookup.asked):
        return Miss.SAME_SUBNET
    return Miss.NEVER_CAME_NEAR


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
    if not attachment.monitor_port:
        return Miss.NO_MONITOR
    if not 0 < attachment.introduced_ns <= t_ns:
        return Miss.NOT_INTRODUCED
    return None if visible_at(attachment, t_ns) else Miss.NOT_VISIBLE
