"""Where every datagram of a run went: what must hold, whatever the speed."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from bench.ingest.traffic import Traffic
from montra.overlays import base as overlays
from zone_store.captures import Captures
from zone_store.losses import is_loss
from zone_store.run.reader import RunReader
from zone_store.run.verify import verify

_ID_BYTES = overlays.load("mainline").id_bytes


def check(system: str, result: dict[str, Any], traffic: Traffic) -> list[str]:
    """Return what does not add up in a run, one line each."""
    problems = [f"{system}: {text}" for text in _arrivals(result)]
    if system == "plain":
        problems += _equal("plain: lookups received, stored", result["lookups"], result["stored"])
    elif system == "montra":
        problems += [f"montra: {text}" for text in _run(Path(result["run"]), result, traffic)]
    return problems


def _arrivals(result: dict[str, Any]) -> list[str]:
    """Every datagram sent was received or dropped by the kernel at a receiver's socket."""
    return _equal("datagrams sent, received or dropped", result["sent"], result["received"] + result["drops"])


def _run(folder: Path, result: dict[str, Any], traffic: Traffic) -> list[str]:
    """Every datagram received is a stored capture or stands on the ledger."""
    problems = verify(folder).problems
    with RunReader(folder) as reader:
        counters = Counter(reader.manifest.counters)
        ledger: Counter[str] = Counter()
        for loss in reader.losses():
            ledger[loss.name] += loss.count
        stored, strange = _stored(reader, traffic)
    lookups = counters["monitor_captured"]
    refused = sum(n for name, n in ledger.items() if name.startswith(("monitor_malformed_", "monitor_stranger_")))
    refused += ledger["foreign_destination"] + counters["monitor_idle_local"]
    problems += _equal("datagrams received, lookups and ledger", result["received"], lookups + refused)
    problems += _equal("lookups received, stored", lookups, stored + ledger["store_overflow"])
    problems += _equal("kernel drops counted, on the ledger", result["drops"], ledger["kernel_drops"])
    problems += _equal("captures that nobody sent", 0, strange)
    losses = {name: n for name, n in counters.items() if is_loss(name)}
    if losses != dict(ledger):
        problems.append(f"the ledger says {dict(ledger)}, the counters say {losses}")
    return problems


def _stored(reader: RunReader, traffic: Traffic) -> tuple[int, int]:
    """Return how many captures are stored, and how many are none of the lookups sent to that monitor."""
    attachments = reader.attachments()
    address = np.zeros((1 + max(a.number for a in attachments), 6), np.uint8)
    for a in attachments:
        address[a.number] = [*a.monitor_ip.to_bytes(4, "big"), *a.monitor_port.to_bytes(2, "big")]
    stored = strange = 0
    for captures in reader.captures():
        stored += len(captures)
        strange += sum(row not in traffic.lookups for row in _identities(captures, address))
    return stored, strange


def _identities(captures: Captures, address: np.ndarray[Any, np.dtype[np.uint8]]) -> list[bytes]:
    """Return requester ID + key + monitor's address of each capture, as `Traffic.lookups` has them."""
    rows = np.concatenate([captures.requester_id, captures.key, address[captures.attachment]], axis=1)
    identities: list[bytes] = rows.view(f"V{2 * _ID_BYTES + 6}")[:, 0].tolist()
    return identities


def _equal(what: str, expected: int, found: int) -> list[str]:
    return [] if expected == found else [f"{what}: {expected} and {found}"]
