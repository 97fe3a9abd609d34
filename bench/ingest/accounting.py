"""Where every datagram of a run went: what must hold, whatever the speed."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.ingest import fresh
from bench.ingest.traffic import COPIES, NO_LOOKUP, Traffic
from zone_store.captures import Attachment, Captures
from zone_store.losses import is_loss
from zone_store.run.reader import RunReader
from zone_store.run.verify import verify

#: Ledger names, and their beginnings, under which a datagram stands that arrived or was dropped; each is there once.
_DATAGRAMS = (
    "kernel_drops",
    "store_overflow",
    "store_failed",
    "foreign_destination",
    "truncated",
    "control_truncated",
    "monitor_idle_local",
    "monitor_late_target",
    "monitor_target_limited",
    "monitor_unmatched_reply",
    "monitor_malformed_",
    "monitor_stranger_",
    "crawl_malformed_",
    "crawl_unexpected_reply",
    "crawl_query_ignored",
)
#: Counters of datagrams that arrived, are no lookups of strangers and no losses: the talk between monitors and targets.
_TALK = ("monitor_replies", "monitor_error_replies", "monitor_target_queries", "monitor_answered_queries")


def check(system: str, result: dict[str, Any], traffic: Traffic) -> list[str]:
    """Return what does not add up in a run, one line each. For montra also fills in what was found: see `_run`."""
    arrived = result["sent"] + result.get("nodes_sent", 0)
    problems = _equal("datagrams sent, received or dropped", arrived, result["received"] + result["drops"])
    if "run" in result:
        problems += _run(Path(result["run"]), result, traffic)
    elif "stored" in result:
        problems += _equal("lookups received, stored", result["lookups"], result["stored"])
    return [f"{system}: {problem}" for problem in problems]


def _run(folder: Path, result: dict[str, Any], traffic: Traffic) -> list[str]:
    """Every datagram sent is a stored capture, talk of a target, or stands on the ledger.

    Puts into `result`: stored; ledger: what stands there of datagrams, by name; bytes_per_capture, of the store's file.
    """
    problems = verify(folder).problems
    with RunReader(folder) as reader:
        counters = Counter(reader.manifest.counters)
        ledger: Counter[str] = Counter()
        for loss in reader.losses():
            ledger[loss.name] += loss.count
        stored, strange, again = _stored(reader, result["sent"], traffic)
    losses = {name: n for name, n in counters.items() if is_loss(name)}
    if losses != dict(ledger):
        problems.append(f"the ledger says {dict(ledger)}, the counters say {losses}")
    refused = {name: n for name, n in ledger.items() if name.startswith(_DATAGRAMS)}
    talk = sum(counters[name] for name in _TALK)
    arrived = result["sent"] + result.get("nodes_sent", 0)
    problems += _equal("datagrams sent; stored, talk or on the ledger", arrived, stored + talk + sum(refused.values()))
    problems += _equal("kernel drops counted, on the ledger", result["drops"], ledger["kernel_drops"])
    problems += _equal("lookups received, stored", counters["monitor_captured"], stored + ledger["store_overflow"])
    problems += _equal("captures that nobody sent", 0, strange)
    problems += _equal("captures stored twice", 0, again)
    disk = (folder / "capture.lmdb" / "data.mdb").stat().st_size
    result |= {"stored": stored, "talk": talk, "ledger": refused, "bytes_per_capture": disk / max(stored, 1)}
    return problems


def _stored(reader: RunReader, sent: int, traffic: Traffic) -> tuple[int, int, int]:
    """Return how many captures are stored; of them how many are no datagram that was sent; how many are there twice.

    sent: datagrams of `traffic` sent in all. Each has a number of its own, which ID, key and source tell (fresh.py).
    """
    lookups = len(traffic.key)
    passes = -(-sent // len(traffic))
    place = np.full((lookups, COPIES), sent, np.int64)  # of a copy in the file
    query = np.flatnonzero(traffic.head["lookup"] != NO_LOOKUP)
    place[traffic.head["lookup"][query], traffic.copy[query]] = query
    monitor = _monitors(reader.attachments(), traffic)
    seen = np.zeros((passes, lookups, COPIES), np.bool_)
    stored = strange = 0
    for captures in reader.captures():
        stored += len(captures)
        number, own = _recognised(captures, traffic)
        turn, lookup = np.divmod(number, lookups)
        here = traffic.near[lookup] == monitor[captures.attachment][:, None]
        copy = here.argmax(axis=1)
        own &= here.any(axis=1) & (turn * len(traffic) + place[lookup, copy] < sent)
        strange += len(captures) - int(np.count_nonzero(own))
        seen[turn[own], lookup[own], copy[own]] = True
    return stored, strange, stored - strange - int(np.count_nonzero(seen))


def _recognised(captures: Captures, traffic: Traffic) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return the number of each capture's lookup, 0 if it can be none, and whether all of it but the monitor agrees."""
    numbers = fresh.numbers_of(captures.requester_id)
    requester_id, source_ip = fresh.requesters(numbers)
    agree = (captures.requester_id == requester_id).all(axis=1) & (captures.source_ip == source_ip)
    agree &= (captures.key[:, fresh.KEPT :] == fresh.key_tails(numbers)).all(axis=1) & (numbers < np.uint64(1 << 62))
    number = np.where(agree, numbers, 0).astype(np.int64)
    kept = traffic.key[number % len(traffic.key), : fresh.KEPT]
    return number, agree & (captures.key[:, : fresh.KEPT] == kept).all(axis=1)


def _monitors(attachments: list[Attachment], traffic: Traffic) -> NDArray[np.int64]:
    """Return int64[highest number + 1]: the place in `traffic.monitors` of each attachment's monitor, -1 for none."""
    order = np.argsort(traffic.monitors)
    address = np.array([a.monitor_ip << 16 | a.monitor_port for a in attachments], np.uint64)
    found = np.minimum(np.searchsorted(traffic.monitors, address, sorter=order), len(order) - 1)
    place = order[found]
    out = np.full(1 + max(a.number for a in attachments), -1, np.int64)
    known = traffic.monitors[place] == address
    out[np.array([a.number for a in attachments])[known]] = place[known]
    return out


def _equal(what: str, expected: int, found: int) -> list[str]:
    return [] if expected == found else [f"{what}: {expected} and {found}"]
