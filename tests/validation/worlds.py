"""A small hand-made world: a lab's log, and the run that watched it. IDs and keys are one telling byte and zeros."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from montra.datagrams import ip_number
from montra.lab.events import (
    Announce,
    Began,
    Converged,
    Done,
    Event,
    EventLog,
    Lookup,
    NodeDown,
    NodeUp,
    Ready,
    Received,
    Sent,
)
from montra.lab.settings import LabSettings
from zone_store.attribution import attribute, write_lookups
from zone_store.captures import Attachment, Captures, Kind
from zone_store.keyspace.zone import Zone
from zone_store.run.folder import Manifest, create_run
from zone_store.run.reader import RunReader
from zone_store.run.writer import RunWriter

SECOND = 1_000_000_000
#: All times count from here.
BASE_NS = 1_790_000_000 * SECOND


def at(seconds: float) -> int:
    """Return the time so many seconds after the beginning."""
    return BASE_NS + int(seconds * SECOND)


def id_of(byte: int) -> bytes:
    return bytes([byte]) + b"\x11" * 19


def key_of(byte: int) -> bytes:
    return bytes([byte]) + b"\x22" * 19


def node_ip(index: int) -> str:
    return f"127.10.{index}.1"


def monitor_ip(index: int) -> str:
    return f"127.190.{index}.7"


def up(index: int, byte: int, seconds: float = 0.0) -> NodeUp:
    return NodeUp(t_ns=at(seconds), index=index, id=id_of(byte).hex(), ip=node_ip(index), port=6881)


def down(index: int, byte: int, seconds: float) -> NodeDown:
    return NodeDown(t_ns=at(seconds), index=index, id=id_of(byte).hex(), ip=node_ip(index), port=6881)


def asks(index: int, byte: int, seconds: float, announce: bool = False) -> Lookup | Announce:
    kind = Announce if announce else Lookup
    return kind(t_ns=at(seconds), index=index, ip=node_ip(index), port=6881, key=key_of(byte).hex(), noseed=announce)


def hears(index: int, source: int, byte: int, seconds: float, method: str = "get_peers") -> Received:
    ip, key = node_ip(source), key_of(byte).hex()
    return Received(t_ns=at(seconds), index=index, ip=ip, port=6881, key=key, method=method)


def sends(index: int, ip: str, port: int, byte: int, seconds: float) -> Sent:
    return Sent(t_ns=at(seconds), index=index, ip=ip, port=port, key=key_of(byte).hex(), method="get_peers")


def write_truth(folder: Path, events: Sequence[Event], end_s: float | None = 100.0) -> Path:
    """Write a log of these events between a beginning and, unless None, an end."""
    folder.mkdir(parents=True, exist_ok=True)
    settings = LabSettings(out=str(folder))
    with (folder / "lab.jsonl").open("w") as file:
        log = EventLog(file)
        log.write(Began(t_ns=at(0), schema=1, libtorrent="2.1.1.0", settings=settings))
        log.write(Ready(t_ns=at(1), seconds=1.0, nodes=4, bootstrap=[]))
        log.write(Converged(t_ns=at(2), seconds=2.0, recall=1.0, recall_low=1.0, cpu_s=1.0, peak_rss_bytes=1))
        for event in events:
            log.write(event)
        if end_s is not None:
            counts = {"lookups": 0, "announces": 0, "skipped": 0, "live": 0, "peak_rss_bytes": 1}
            log.write(Done(t_ns=at(end_s), reason="finished", cpu_s=1.0, **counts))
    return folder


def attachment(
    number: int,
    index: int,
    byte: int,
    visible: tuple[tuple[float, float], ...] = ((4.0, 0.0),),
    *,
    found_s: float = 3.0,
    introduced_s: float = 3.5,
    lost_s: float = 0.0,
    monitor: tuple[str, int] | None = None,
) -> Attachment:
    """Return the attachment of node `index`; an interval's end 0 stays open, introduced_s 0 means never."""
    ip, port = monitor or (monitor_ip(index), 20000)
    return Attachment(
        number=number,
        target_id=id_of(byte),
        target_ip=ip_number(node_ip(index)),
        target_port=6881,
        monitor_id=id_of(byte)[:-1] + b"\x10",
        monitor_ip=ip_number(ip),
        monitor_port=port,
        found_ns=at(found_s),
        introduced_ns=at(introduced_s) if introduced_s else 0,
        accepted_ns=at(introduced_s) if introduced_s else 0,
        visible=tuple((at(begin), at(end) if end else 0) for begin, end in visible),
        lost_ns=at(lost_s) if lost_s else 0,
    )


def captures(rows: Sequence[tuple[float, int, int, int]], flags: int = 0, kind: Kind = Kind.LOOKUP) -> Captures:
    """Return captures of (seconds, attachment number, source node, key byte)."""
    n = len(rows)
    return Captures(
        np.array([at(row[0]) for row in rows], np.int64),
        np.array([row[1] for row in rows], np.uint32),
        np.array([ip_number(node_ip(row[2])) for row in rows], np.uint32),
        np.full(n, 6881, np.uint16),
        np.full((n, 20), 7, np.uint8),
        np.array([list(key_of(row[3])) for row in rows], np.uint8).reshape(n, 20),
        np.full(n, kind, np.uint8),
        np.full(n, flags, np.uint16),
        np.zeros(n, np.uint32),
        np.zeros(n, np.uint16),
    )


def write_run(
    parent: Path,
    attachments: Sequence[Attachment],
    rows: Sequence[tuple[float, int, int, int]],
    *,
    flags: int = 0,
    kind: Kind = Kind.LOOKUP,
    analyzed: bool = True,
    end_s: float = 90.0,
) -> Path:
    """Write, seal and attribute a run of the zone a4/6 that began at 3 s."""
    zone = Zone.parse("a4/6")
    folder = create_run(parent, at(3), "mainline", zone)
    manifest = Manifest(montra_version="0", overlay="mainline", zone=str(zone), start_ns=at(3))
    with RunWriter(folder, manifest, "") as writer:
        for one in attachments:
            writer.attachment(one)
        writer.captures(captures(rows, flags, kind))
        (folder / "status.csv").touch()
        (folder / "log.jsonl").touch()
        writer.seal(at(end_s), "done")
    if analyzed:
        with RunReader(folder) as reader:
            lookups = list(attribute(reader, span_ns=60 * SECOND, refresh_bits=96))
        write_lookups(folder, lookups)
    return folder
