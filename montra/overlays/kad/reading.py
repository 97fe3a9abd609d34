"""What Kad's lookups and nodes tell, and what they do not."""

from __future__ import annotations

from typing import Final

from montra.overlays.base import Reading

#: Seconds after which a file's sources, and a keyword, are published again (`protocol/kad/Constants.h`,
#: KADEMLIAREPUBLISHTIMES and KADEMLIAREPUBLISHTIMEK).
REPUBLISH_FILE_S: Final = 5 * 3600.0
REPUBLISH_KEYWORD_S: Final = 24 * 3600.0

READING: Final = Reading(
    republish_s={"file": REPUBLISH_FILE_S, "keyword": REPUBLISH_KEYWORD_S},
    tells_clients=False,
    tells_reach=True,
    caveats=(
        (
            "Searched or published?",
            "A Kad request says how many contacts it wants: two for a search, four for a publish. A firewalled node "
            "that looks for a helper wants four too and counts as a publish of its key, unless it told a monitor; a "
            "search that asks again because nobody answered wants eleven and is taken for a node lookup.",
        ),
        (
            "What a key is",
            "is not in a request: a keyword and a file look alike. Where nothing else tells, the number of publishers "
            "is given for both.",
        ),
        (
            "Publishers from rates",
            "suppose that clients publish again after the interval and not before. A client that shares many files is "
            "late by up to two seconds for each of them (1 % of five hours for 90 files), which makes the number too "
            "low; one that changes its address within an interval counts twice. A client that left is counted until "
            "its interval is over, as the network itself keeps what it published.",
        ),
        (
            "Who asks",
            "is not in a request either: a requester is a pair of address and port, and which client it runs is "
            "unknown. Nodes of the zone do tell their version, and whether they are behind a firewall, to their "
            "monitor.",
        ),
        (
            "Hours of too many searches",
            "come every 49 days, 17 hours and 3 minutes, everywhere at once, last on 2026-11-21 at 21:25 UTC: then the "
            "milliseconds of aMule before 3.0 start anew in 32 bits, and in up to seven hours before it a client that "
            "downloads searches for sources every second, though a node answers it ten times a minute only. A window "
            "of these hours counts too many searches of such clients and misses others.",
        ),
        (
            "Node lookups",
            "are the upkeep of routing tables, and searches that ask again. All are marked as maintenance, "
            "and are in no other number.",
        ),
    ),
)
