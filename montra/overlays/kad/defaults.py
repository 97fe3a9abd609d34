"""What a run on Kad does otherwise than montra does by default, and why."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

#: Nodes that answer, about: nobody publishes a count, and this is an assumption to plan by. The first crawl tells.
PUBLIC_NODES: Final = 300_000

#: Blocks in which clients take no contacts: networks that are no part of the Internet. The shared block of carriers,
#: 100.64.0.0/10, is none of them, so that laboratories use it.
REFUSED_BLOCKS: Final = (
    "10.0.0.0/8",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.2.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
)

#: Settings of a run by section (`montra.overlays.base.Overlay.defaults`).
#:
#: Clients take so many packets a minute from an address and drop what is beyond (aMule `PacketTracking.cpp`), by an
#: account that is paid off evenly: ten REQ, one for each 6 s; three HELLO_REQ, one for each 20 s. So the crawler leaves
#: 6.5 s between its questions to a node. An attachment begins with two HELLO_REQ, the second when the reply to the
#: first has told the target's key, and a third if both stay unanswered; what follows keeps 20 s or more apart. A
#: contact that was not heard for an hour is asked, and dropped if it stays silent (`Contact.cpp`): a HELLO_REQ every 50
#: minutes comes before that.
DEFAULTS: Final[Mapping[str, Mapping[str, Any]]] = {
    "crawl": {"spacing_s": 6.5},
    "monitors": {
        "second_introduction_s": 2.0,
        "repeat_s": 10.0,
        "repeats": 1,
        "early_s": 60.0,
        "round_gap_s": 20.0,
        "reintroduce_s": (30.0, 60.0, 60.0, 300.0, 900.0),
        "keep_alive_s": 3000.0,
    },
}
