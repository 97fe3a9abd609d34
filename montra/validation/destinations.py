"""Instrumented destinations: what they were sent against what their monitors captured (the paper's experiment)."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from montra.datagrams import ip_number
from montra.lab.instrument_log import DESTINATION, Heard, Instrument, InstrumentLog
from montra.validation.clustered import Clustered, clustered
from montra.validation.comparison import Cause
from montra.validation.coverage import Beside, beside_node, by_target
from montra.validation.misses import MEANING, Miss, why_not_captured
from montra.validation.truth import TruthLookup, TruthNode
from montra.validation.wilson import Proportion, wilson
from zone_store.captures import Attachment, Captures
from zone_store.keyspace.ids import common_prefix_length
from zone_store.run.reader import RunReader

#: So many nodes nearest to a key store what is announced under it; a requester asks at least these.
REPLICAS = 8
#: Copies at a node and at its monitor are of one lookup if they are no farther apart. As attribution's span.
SPAN_NS = 60_000_000_000
#: A key that shares so many bits more with who asks than with who is asked is looked for to fill a table, as is one
#: that shares so many in all (`zone_store.attribution.maintenance`).
_EXCESS_BITS = 16
_OWN_ID_BITS = 96
#: Lookups that came so late in the run may have no copy at a monitor yet.
_LASTS_NS = 3_000_000_000
#: Clocks are one clock, but nodes' logs are read every 30 ms.
_EARLY_NS = 1_000_000_000
_ROWS = 256

Asked = tuple[int, int, int, bytes]
"""Number of the node, source IP, source port, key."""


class Message(NamedTuple):
    """One lookup that a destination heard of: when first, which node, who asked, for which key."""

    t_ns: int
    node: int
    ip: int
    port: int
    requester: bytes
    key: bytes


@dataclass(frozen=True, slots=True)
class Scope:
    """The messages for keys of which the destination was so near: captured by its own monitor, or by any monitor.

    by_node: own, with the interval that does not take messages to one node for independent.
    """

    name: str
    own: Proportion
    own_by_node: Clustered
    by_any: Proportion


@dataclass(frozen=True, slots=True)
class Destinations:
    """nodes: instrumented destinations; attached: of them, ever given a monitor; messages: lookups that they heard of;
    excluded: those left out, by reason; scopes: results; causes: why those nearest to the key were missed by their
    own monitor.
    """

    nodes: int
    attached: int
    messages: int
    excluded: dict[str, int]
    scopes: list[Scope]
    causes: list[Cause]


def judge_destinations(reader: RunReader, log: InstrumentLog, own_ips: Collection[int]) -> Destinations:
    """Compare what the destinations of a log heard from the time of its lookups on with the captures of a run.

    own_ips: addresses of the window itself, whose queries do not count. Raises RunError.
    """
    attachments = reader.attachments()
    end_ns = min(reader.manifest.end_ns or reader.newest_ns(), log.end_ns) - _LASTS_NS
    kept, excluded = _kept(log, own_ips, end_ns)
    beside = by_target(attachments)
    nodes = {number: _truth_node(number, one) for number, one in enumerate(log.nodes) if one.role == DESTINATION}
    numbers = {number: {one.number for one in beside_node(node, beside)} for number, node in nodes.items()}
    heard = _captured(reader, kept)
    own = [_within(one, heard, numbers[one.node]) for one in kept]
    any_monitor = [_within(one, heard, None) for one in kept]
    ranks = _ranks(kept, nodes, attachments)
    scopes = []
    for name, most in (("nearest node to the key", 1), (f"one of the {REPLICAS} nearest", REPLICAS), ("any", 1 << 62)):
        rows = [row for row, rank in enumerate(ranks) if rank < most]
        by_node: defaultdict[int, list[bool]] = defaultdict(list)
        for row in rows:
            by_node[kept[row].node].append(own[row])
        scopes.append(
            Scope(
                name,
                wilson(sum(own[row] for row in rows), len(rows)),
                clustered((sum(hits), len(hits)) for hits in by_node.values()),
                wilson(sum(any_monitor[row] for row in rows), len(rows)),
            )
        )
    missed = [one for one, hit, rank in zip(kept, own, ranks, strict=True) if rank == 0 and not hit]
    attached = sum(bool(one) for one in numbers.values())
    nearest = scopes[0].own.trials
    return Destinations(len(nodes), attached, len(kept), excluded, scopes, _causes(missed, nodes, beside, nearest))


def _kept(log: InstrumentLog, own_ips: Collection[int], end_ns: int) -> tuple[list[Message], dict[str, int]]:
    """Return the lookups that count, each once for each node that heard of it, and how many do not, by reason."""
    excluded: Counter[str] = Counter()
    last: dict[Asked, int] = {}
    kept = []
    for one in log.heard:
        key, requester = bytes.fromhex(one.key), bytes.fromhex(one.requester)
        asked = one.node, one.ip, one.port, key
        repeated = one.t_ns - last.get(asked, -SPAN_NS - 1) <= SPAN_NS
        last[asked] = one.t_ns
        if repeated:
            continue
        reason = _exclusion(one, key, requester, log, own_ips, end_ns)
        if reason:
            excluded[reason] += 1
        else:
            kept.append(Message(one.t_ns, one.node, one.ip, one.port, requester, key))
    return kept, dict(sorted(excluded.items()))


def _exclusion(
    one: Heard, key: bytes, requester: bytes, log: InstrumentLog, own_ips: Collection[int], end_ns: int
) -> str:
    if one.t_ns < log.begin_ns:
        return "before_lookups"
    if one.t_ns > end_ns:
        return "cut_off_by_end"
    if one.ip in own_ips:
        return "own_traffic"
    with_requester = common_prefix_length(key, requester)
    with_node = common_prefix_length(key, bytes.fromhex(log.nodes[one.node].node_id))
    if one.bootstrap or with_requester >= _OWN_ID_BITS or with_requester - with_node >= _EXCESS_BITS:
        return "maintenance"
    return ""


def _captured(reader: RunReader, kept: Sequence[Message]) -> dict[tuple[int, int, bytes], list[tuple[int, int]]]:
    """Return (attachment, time) of the copies that monitors got of these lookups, by source and key."""
    ips = np.array(sorted({one.ip for one in kept}), np.uint32)
    keys = np.array(sorted({one.key for one in kept}), "V20")

    def keep(block: Captures) -> NDArray[np.bool_]:
        wanted = np.isin(block.source_ip, ips)
        rows = np.flatnonzero(wanted)
        wanted[rows] = np.isin(np.ascontiguousarray(block.key[rows]).view("V20").ravel(), keys)
        return wanted

    found: defaultdict[tuple[int, int, bytes], list[tuple[int, int]]] = defaultdict(list)
    for table in reader.captures(keep=keep):
        columns = (table.source_ip, table.source_port, table.attachment, table.time_ns)
        for key, ip, port, attachment, t_ns in zip(table.key, *(column.tolist() for column in columns), strict=True):
            found[ip, port, key.tobytes()].append((attachment, t_ns))
    return found


def _within(
    one: Message, heard: dict[tuple[int, int, bytes], list[tuple[int, int]]], numbers: Collection[int] | None
) -> bool:
    """Tell whether one of these attachments (None: any) got a copy of a lookup."""
    return any(
        (numbers is None or attachment in numbers) and -_EARLY_NS <= t_ns - one.t_ns <= SPAN_NS
        for attachment, t_ns in heard.get((one.ip, one.port, one.key), ())
    )


def _ranks(kept: Sequence[Message], nodes: dict[int, TruthNode], attachments: Sequence[Attachment]) -> list[int]:
    """Return for each lookup how many targets known then were nearer to its key than the node that heard of it.

    By the first 64 bits, in which no two of some million IDs agree but by design.
    """
    targets = _heads(attachment.target_id for attachment in attachments)
    found = np.array([attachment.found_ns for attachment in attachments], np.int64)
    lost = np.array([attachment.lost_ns or (1 << 62) for attachment in attachments], np.int64)
    ranks: list[int] = []
    for start in range(0, len(kept), _ROWS):
        part = kept[start : start + _ROWS]
        keys = _heads(one.key for one in part)[:, None]
        own = _heads(nodes[one.node].node_id for one in part)[:, None]
        times = np.array([one.t_ns for one in part], np.int64)[:, None]
        nearer = (targets ^ keys < own ^ keys) & (found <= times) & (times < lost)
        # of a target that was attached twice at a time only one is counted: begun later, ended earlier
        ranks += [len(np.unique(targets[row])) for row in nearer]
    return ranks


def _heads(ids: Iterable[bytes]) -> NDArray[np.uint64]:
    return np.array([int.from_bytes(one[:8], "big") for one in ids], np.uint64)


def _truth_node(number: int, one: Instrument) -> TruthNode:
    return TruthNode(number, bytes.fromhex(one.node_id), ip_number(one.ip), one.port, one.up_ns, client="libtorrent")


def _causes(missed: Iterable[Message], nodes: dict[int, TruthNode], beside: Beside, trials: int) -> list[Cause]:
    counts: Counter[Miss] = Counter()
    for one in missed:
        requester = TruthNode(-1, one.requester, one.ip, one.port, 0)
        lookup = TruthLookup(one.t_ns, requester, one.key, announce=False, noseed=False)
        counts[why_not_captured(lookup, beside_node(nodes[one.node], beside), (), (), SPAN_NS)] += 1
    total = counts.total()
    return [
        Cause("own_monitor", miss.value, count, count / total, count / trials, MEANING[miss], {})
        for miss, count in sorted(counts.items(), key=lambda one: (-one[1], one[0]))
    ]
