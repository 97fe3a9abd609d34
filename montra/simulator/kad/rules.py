"""How Kad clients behave, by aMule's sources (version 2.3.3 where its development version differs); eMule's are alike.

The file is named beside each number. What is assumed says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from montra.overlays.kad.opcodes import Op
from montra.simulator.kad.settings import Family, Purpose

SECOND_NS = 1_000_000_000
MINUTE_NS = 60 * SECOND_NS

#: Contacts of a bin (Defines.h, K); contacts of one /24 in a bin, and in a whole table (RoutingBin.cpp).
BIN_CONTACTS, BIN_SUBNET, TABLE_SUBNET = 10, 2, 10
#: Contacts of one /24 that a requester takes out of one RES; of one IP it takes one (Search.cpp, `ProcessResponse`).
ANSWER_SUBNET = 2

#: Contacts are returned up to this type; a new one begins with the other (RoutingBin.cpp, Contact.cpp).
RETURNED_TYPE, NEW_TYPE, DEAD_TYPE = 2, 3, 4
#: Time that a contact of type 2, 1, 0 is trusted for, by whole hours since it was met (Contact.cpp, `UpdateType`).
TYPES = ((2, 60 * MINUTE_NS), (1, 90 * MINUTE_NS), (0, 120 * MINUTE_NS))
#: Time to answer a HELLO of the table's timer (`CheckingType`); each leaf's timer runs once a minute and looks at one
#: contact (RoutingZone.cpp, `OnSmallTimer`).
HELLO_WAIT_NS, TIMER_NS = 2 * MINUTE_NS, MINUTE_NS
#: An answer is taken for so long after its question (PacketTracking.cpp).
TRACKED_NS = 180 * SECOND_NS

#: Requests a minute from one IP; those above are dropped, above the fivefold the IP is banned (PacketTracking.cpp).
PER_MINUTE: Mapping[int, int] = {
    Op.BOOTSTRAP_REQ: 2,
    Op.HELLO_REQ: 3,
    Op.REQ: 10,
    Op.PING: 2,
}
BAN_FACTOR = 5

#: A silent search goes on after this (Search.cpp, `JumpStart`), looked at once a second (Kademlia.cpp).
STALLED_S = 3
#: Contacts of the own table that a search begins with (Search.cpp, `Go`).
POSSIBLE = 50
#: How many contacts a search whose best two are silent asks for (Search.cpp, KADEMLIA_FIND_VALUE_MORE).
REASK_COUNT = 11
#: Leading bits that a responder shares with the key to get a phase-2 packet (SEARCHTOLERANCE: 2^24 of 2^32).
TOLERANCE_BITS = 8
#: Requests open at once (Defines.h, ALPHA_QUERY).
ALPHA: Mapping[int, int] = {Family.EMULE: 3, Family.AMULE: 3, Family.AMULE_NEXT: 5}


class SearchRules(NamedTuple):
    """Of a kind of search.

    wanted: contacts asked for; lifetime_s: it sends nothing after this (SearchManager.cpp: the lifetime less the 20 s
    for late answers); answers: it stops above so many; interval_s: when the client repeats it, 0 = when its user does;
    counts_nodes: who answers a REQ is what it counts; first_only: any first answer ends it.
    """

    wanted: int
    lifetime_s: int
    answers: int
    interval_s: float = 0.0
    counts_nodes: bool = False
    first_only: bool = False


#: Search.cpp (`GetRequestContactCount`), SearchManager.cpp (`JumpStart`), Constants.h (KADEMLIAREPUBLISHTIME*). Sources
#: are looked for an hour after the first time, then two, ... up to seven (PartFile.cpp): seven for a long download.
SEARCHES: Mapping[int, SearchRules] = {
    Purpose.KEYWORD: SearchRules(2, 25, 300),
    Purpose.SOURCE: SearchRules(2, 25, 300, 7 * 3600.0),
    Purpose.STORE_KEYWORD: SearchRules(4, 120, 10, 24 * 3600.0),
    Purpose.STORE_SOURCE: SearchRules(4, 120, 10, 5 * 3600.0),
    Purpose.STORE_NOTES: SearchRules(4, 80, 10, 24 * 3600.0),
    Purpose.OWN_ID: SearchRules(11, 45, 10, 4 * 3600.0, counts_nodes=True),
    Purpose.NEARBY: SearchRules(11, 45, 10, 3600.0, counts_nodes=True, first_only=True),
}
