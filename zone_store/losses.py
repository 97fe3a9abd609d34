"""The ledger's vocabulary: each name that a loss or refusal is counted under, what it means, and how bad it is.

The instrument writes these names, reports explain them. A counter that is not named here is an activity, not a loss,
and stays off the ledger.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple


class Severity(Enum):
    """What a ledger row costs."""

    DATA = "data"  # copies of lookups are missing from the store
    COVERAGE = "coverage"  # nodes of the zone went unmonitored, or were found or attached later than they could be
    NOISE = "noise"  # traffic that was refused because it was broken, forged or not for us; nothing is missing


class Meaning(NamedTuple):
    """Severity and one plain sentence."""

    severity: Severity
    text: str


#: The name of times in which nothing ran: after a crash, or between the parts of a joined run.
NOT_RUNNING = "not_running"

#: The name of times in which some parts of a joined run ran and others did not.
PARTLY_RUNNING = "partly_running"

_DATA, _COVERAGE, _NOISE = Severity.DATA, Severity.COVERAGE, Severity.NOISE

#: Exact names. The instrument's rooms are told apart by prefix: crawl_, monitor_, store_; none for the endpoint.
_NAMES = {
    "kernel_drops": Meaning(_DATA, "datagrams the kernel dropped because a receive buffer was full"),
    "truncated": Meaning(_NOISE, "datagrams longer than any message of the overlay; kept only in part and not parsed"),
    "control_truncated": Meaning(_NOISE, "datagrams whose arrival address or time the kernel could not pass on"),
    "ring_cut": Meaning(_DATA, "datagrams lost because they came in a piece that was larger than a frame of the ring"),
    "fragmented": Meaning(_NOISE, "datagrams that came in fragments, as no message of the overlay does (ring only)"),
    "bad_packet": Meaning(_NOISE, "packets whose headers contradict each other (ring only)"),
    "bad_checksum": Meaning(_NOISE, "datagrams damaged on their way: their checksum is wrong (ring only)"),
    "foreign_destination": Meaning(_NOISE, "datagrams for an address of this host that is no monitor's"),
    "blocklisted": Meaning(_COVERAGE, "packets not sent because the blocklist forbids their address"),
    "outbox_full": Meaning(_COVERAGE, "packets not sent because too many were waiting for the rate limits"),
    "outbox_discarded": Meaning(_COVERAGE, "packets still waiting for the rate limits when the run ended"),
    "store_overflow": Meaning(_DATA, "captures dropped because the disk could not keep up"),
    "store_contents_overflow": Meaning(
        _DATA, "what was said of content IDs, dropped because the disk could not keep up"
    ),
    "store_failed": Meaning(_DATA, "captures that could not be written at the end"),
    "store_failed_records": Meaning(_DATA, "other records that could not be written at the end"),
    "crawl_timeout": Meaning(_COVERAGE, "crawl queries that nobody answered in time (dead, behind a NAT, or lost)"),
    "crawl_unexpected_reply": Meaning(_NOISE, "replies to the crawler that match no query of ours"),
    "crawl_duplicate_reply": Meaning(_NOISE, "replies to the crawler that came twice"),
    "crawl_late_reply": Meaning(_NOISE, "replies to the crawler that came after their time-out"),
    "crawl_error_reply": Meaning(_NOISE, "error messages in answer to the crawler"),
    "crawl_bad_sender_id": Meaning(_NOISE, "replies to the crawler without a proper node ID"),
    "crawl_unproved_reply": Meaning(_NOISE, "replies to the crawler without the proof that their node gave before"),
    "crawl_query_ignored": Meaning(_NOISE, "queries sent to the crawler, which answers none"),
    "crawl_crawl_cut": Meaning(_COVERAGE, "crawls that were cut short because they took too long"),
    "crawl_question_cut": Meaning(_COVERAGE, "questions left unasked because the crawl was cut short"),
    "crawl_blackout": Meaning(_COVERAGE, "crawls in which nobody answered although the zone was known"),
    "crawl_no_bootstrap_answered": Meaning(_COVERAGE, "crawls in which no bootstrap node answered"),
    "crawl_zone_empty": Meaning(_COVERAGE, "crawls that found nobody in the zone"),
    "crawl_crowded_ip": Meaning(_COVERAGE, "nodes left out because too many claim to live at one address"),
    "crawl_source_limit": Meaning(_NOISE, "contacts not believed because one node named too many"),
    "crawl_crawl_limit": Meaning(_COVERAGE, "contacts left out because the crawler knows as many as it may"),
    "crawl_nodes_full": Meaning(_COVERAGE, "nodes left out because the crawler knows as many as it may"),
    "crawl_unstable_id": Meaning(_NOISE, "nodes left out because their ID changes all the time"),
    "crawl_bogus_contact": Meaning(_NOISE, "contacts that can be no node (port 0, special addresses)"),
    "crawl_probe_refused": Meaning(_NOISE, "visibility checks of nodes that the crawler does not know"),
    "crawl_probe_overflow": Meaning(_COVERAGE, "visibility checks put off because too many were waiting"),
    "crawl_reply_limit": Meaning(_NOISE, "contacts not believed because one reply named too many"),
    "crawl_claimed_other_id": Meaning(_NOISE, "nodes that answered under another ID than others claimed"),
    "wire_cut": Meaning(_NOISE, "packets longer than a row once they were unpacked; kept only in part"),
    "monitor_own_address": Meaning(_NOISE, "nodes left out because their address is one of ours"),
    "monitor_bad_address": Meaning(_NOISE, "nodes left out because nobody can have their address"),
    "monitor_outside_zone": Meaning(_NOISE, "nodes left out because their ID is not in the zone"),
    "monitor_unstable_id": Meaning(_COVERAGE, "targets given up because they change their ID all the time"),
    "monitor_bare_full": Meaning(_COVERAGE, "targets of a thin fleet left out because it knows as many as it may"),
    "monitor_waiting_full": Meaning(
        _COVERAGE, "times a target was refused because too many were waiting for a monitor"
    ),
    "monitor_not_visible": Meaning(_COVERAGE, "times a target was seen not handing its monitor out"),
    "monitor_dropped": Meaning(_COVERAGE, "times a target stopped handing its monitor out"),
    "monitor_silent": Meaning(_COVERAGE, "monitors given up because their target fell silent"),
    "monitor_silent_forgotten": Meaning(_COVERAGE, "silent targets forgotten because there are too many of them"),
    "monitor_gone": Meaning(_COVERAGE, "monitors ended because the crawl lost their target"),
    "monitor_gone_ignored": Meaning(_NOISE, "targets that the crawl lost although their monitor heard them lately"),
    "monitor_changed_id": Meaning(_COVERAGE, "monitors ended because their target took another ID"),
    "monitor_moved": Meaning(_COVERAGE, "monitors that had to start anew at another address"),
    "monitor_blackout": Meaning(_COVERAGE, "queries left unanswered at a time when no target at all was heard"),
    "monitor_idle_local": Meaning(_NOISE, "datagrams to addresses of ours where no monitor is"),
    "monitor_stranger_other": Meaning(_NOISE, "datagrams of strangers to monitors that are no lookup"),
    "monitor_stranger_reply_too_long": Meaning(
        _NOISE, "replies to strangers left out because they would have been longer than the query"
    ),
    "monitor_stranger_no_spare": Meaning(_NOISE, "replies to strangers left out because no address was free for them"),
    "monitor_stranger_claims_full": Meaning(
        _NOISE, "lookups of strangers that were not answered because too many others had been"
    ),
    "monitor_stranger_uninvited": Meaning(
        _NOISE, "what strangers said of content IDs that they had not been answered for, or had said enough of"
    ),
    "monitor_stranger_unreadable": Meaning(_NOISE, "what strangers said of content IDs in broken messages"),
    "monitor_stranger_bad_token": Meaning(_NOISE, "announces of strangers whose token is none of ours"),
    "monitor_late_target": Meaning(_NOISE, "packets of targets to a monitor that had ended"),
    "monitor_target_limited": Meaning(_NOISE, "packets of targets left unread because they send too many"),
    "monitor_unmatched_reply": Meaning(_NOISE, "replies of targets that match no query of ours"),
    "monitor_foreign_id_query": Meaning(_NOISE, "queries from a target's address under another ID, not believed"),
    "monitor_unproved_reply": Meaning(_NOISE, "replies from a target's address without our key for it, not believed"),
    "monitor_unproved_query": Meaning(_NOISE, "queries from a target's address without our key for it, not believed"),
    "monitor_feed_dropped": Meaning(_COVERAGE, "news of nodes that a worker read too slowly; it is told again later"),
    "monitor_probes_dropped": Meaning(_COVERAGE, "visibility checks that workers asked for faster than can be made"),
    "canary_query_ignored": Meaning(_NOISE, "queries sent to our canaries, which answer none"),
    "canary_unmatched_reply": Meaning(_NOISE, "replies to our canaries that match no query of theirs, or come late"),
    "canary_busy": Meaning(_COVERAGE, "canary lookups not made because too many were under way"),
    "canary_log_full": Meaning(_COVERAGE, "canary lookups not kept because their file is as large as it may be"),
    "attribution_unknown_attachment": Meaning(_DATA, "copies in the store whose monitor is not among the run's"),
    NOT_RUNNING: Meaning(_DATA, "gaps in the window: times in which the instrument did not run"),
    PARTLY_RUNNING: Meaning(_COVERAGE, "times in which a part of the run, so perhaps of the zone, did not run"),
    "monitor_max_monitors": Meaning(_COVERAGE, "rounds in which waiting targets found no room in the table"),
    "monitor_pool_exhausted": Meaning(_COVERAGE, "rounds in which waiting targets found no free address"),
    "monitor_no_other_address": Meaning(
        _COVERAGE, "targets that should have got a monitor at another address: none free"
    ),
    "monitor_sybil": Meaning(_NOISE, "targets left out because too many IDs live at one address"),
}

#: Families of names that end in a reason.
_FAMILIES = {
    "rate_limited_": Meaning(_COVERAGE, "packets given up because a rate limit kept them waiting too long ({})"),
    "send_": Meaning(_COVERAGE, "packets the kernel would not send ({})"),
    "receive_": Meaning(_NOISE, "errors reported by the kernel while receiving ({})"),
    "crawl_malformed_": Meaning(_NOISE, "datagrams to the crawler that are no message of the overlay ({})"),
    "monitor_malformed_": Meaning(_NOISE, "datagrams to monitors that are no message of the overlay ({})"),
    "reply_limited_": Meaning(_NOISE, "replies to strangers left out because of a limit ({})"),
}


def meaning(name: str) -> Meaning | None:
    """Return what a ledger name means, None for a name that is no loss."""
    known = _NAMES.get(name)
    if known is not None:
        return known
    for prefix, family in _FAMILIES.items():
        if name.startswith(prefix) and len(name) > len(prefix):
            return Meaning(family.severity, family.text.format(name[len(prefix) :].replace("_", " ")))
    return None


def is_loss(name: str) -> bool:
    """Tell whether a counter belongs on the ledger."""
    return meaning(name) is not None


def is_data_loss(name: str) -> bool:
    """Tell whether a counter means that copies of lookups are missing."""
    known = meaning(name)
    return known is not None and known.severity is Severity.DATA
