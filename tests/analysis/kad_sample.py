"""A small run of an overlay whose lookups tell searches from publishes, and whose nodes tell more than Mainline's."""

from __future__ import annotations

from pathlib import Path

from analysis.given import Given
from zone_store.captures import Attachment, Kind, Status

from .samples import Contents, at, attachment, sample

FILE, WORD = (bytes([0xA4, n]) + bytes(14) for n in (1, 2))
NODES = [bytes([0xA4, n << 4]) + bytes(14) for n in range(4)]
GIVEN_KAD = Given(
    version_name=lambda version: f"Kad {version >> 24}",
    republish_s={"file": 5 * 3600.0, "keyword": 24 * 3600.0},
    tells_clients=False,
    tells_reach=True,
    caveats=(("What a key is", "is not in a request."),),
)


def kad_sample() -> Contents:
    """Twelve hours: one file published by three nodes every 5 h, one keyword by two once; two searches."""
    publish, search = int(Kind.PUBLISH), int(Kind.SEARCH)
    captures = [
        (3600.0 * hour + 60 * node, 1, (0x0B000001 + node, 4672), FILE, publish, 0, 0)
        for node in range(3)
        for hour in (0.5, 5.51, 10.52)
    ]
    captures += [(600.0 + node, 2, (0x0B000001 + node, 4672), WORD, publish, 0, 0) for node in range(2)]
    captures += [(700.0 + node, 2, (0x0B000009 + node, 4672), WORD, search, 0, 0) for node in range(2)]
    return Contents(
        captures=sorted(captures),
        attachments=[_node(1, 8, 0), _node(2, 8, Status.TCP_FIREWALLED), _node(3, 9, Status(3)), _unheard(4)],
        crawls=sample().crawls,
        minutes=720,
        overlay="kad",
    )


def given_of(folder: Path) -> Given:
    """Return how a run is to be read, by its name."""
    return GIVEN_KAD if "kad" in folder.name else Given()


def _node(number: int, version: int, status: int) -> Attachment:
    one = attachment(number, NODES[number - 1])
    one.monitor_id = NODES[number - 1][:15] + b"\x01"
    one.version, one.status = version << 24, int(status)
    return one


def _unheard(number: int) -> Attachment:
    one = _node(number, 0, 0)
    one.found_ns, one.accepted_ns, one.visible = at(1), 0, ()
    return one
