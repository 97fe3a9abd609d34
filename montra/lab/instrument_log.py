"""What instrumented nodes are asked to do, and the log of what they noted."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from montra.datagrams import ip_number, ip_text
from montra.lab.bep42 import exempt
from montra.lab.settings import LabError
from zone_store.run.canaries import CanaryLookup
from zone_store.run.folder import write_atomic

#: The log, in the instruments' folder.
LOG_NAME = "instruments.json"
SOURCE, DESTINATION = "source", "destination"

Address = tuple[str, int]


class InstrumentSettings(msgspec.Struct, frozen=True, kw_only=True):
    """bootstrap: (ip, port) of nodes of the network; sources, destinations: addresses to take, one for each node.

    lookups: by all sources together, for random keys in the zone, at random times within duration_s, which begins after
    settle_s, in which the network and the crawler of the window get to know the nodes; drain_s: how long is still
    listened after the last lookup.
    """

    zone: str
    bootstrap: list[Address]
    sources: list[Address]
    destinations: list[Address]
    seed: int = 1
    lookups: int = 120
    settle_s: float = 60.0
    duration_s: float = 120.0
    drain_s: float = 20.0


class Instrument(msgspec.Struct, frozen=True, kw_only=True):
    """One of the nodes: a source or a destination; ID in hex."""

    role: str
    node_id: str
    ip: str
    port: int
    up_ns: int


class Heard(msgspec.Struct, frozen=True, kw_only=True):
    """A get_peers for a key in the zone that destination number `node` received; IDs in hex, ip in host order."""

    t_ns: int
    node: int
    ip: int
    port: int
    requester: str
    key: str
    bootstrap: bool


class InstrumentLog(msgspec.Struct, frozen=True, kw_only=True):
    """All that the instruments noted. begin_ns, end_ns: of the lookups; nodes: sources, then destinations, by number;
    lookups: of the sources; heard: by the destinations; heard_dropped: more of that, not kept.
    """

    settings: InstrumentSettings
    libtorrent: str
    begin_ns: int
    end_ns: int
    nodes: list[Instrument]
    lookups: list[CanaryLookup]
    heard: list[Heard]
    heard_dropped: int = 0


def load_log(folder: Path) -> InstrumentLog:
    """Read the log of instruments that have ended; raises LabError."""
    path = folder / LOG_NAME
    try:
        return msgspec.json.decode(path.read_bytes(), type=InstrumentLog)
    except OSError as error:
        raise LabError(f"cannot read {path}: {error.strerror}") from error
    except msgspec.MsgspecError as error:
        raise LabError(f"{path}: {error}") from error


def write_log(folder: Path, log: InstrumentLog) -> None:
    """Write the log into a folder; raises RunError when the disk does not take it."""
    folder.mkdir(parents=True, exist_ok=True)
    write_atomic(folder / LOG_NAME, msgspec.json.format(msgspec.json.encode(log), indent=1))


def on_loopback(addresses: Sequence[Address]) -> bool:
    """Tell whether all of these are addresses that nobody on the Internet has."""
    return all(exempt(ip_number(ip)) for ip, _ in addresses)


def numbered(subnet: str, count: int, port: int) -> list[Address]:
    """Return addresses "subnet".0.1, "subnet".1.1, ...: each in a /24 of its own."""
    first = ip_number(f"{subnet}.0.1")
    return [(ip_text(first + 256 * number), port) for number in range(count)]
