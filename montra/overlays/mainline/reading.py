"""What Mainline's lookups and nodes tell, and what they do not."""

from __future__ import annotations

from typing import Final

from montra.overlays.base import Reading

READING: Final = Reading(
    republish_s={},
    tells_clients=True,
    tells_reach=False,
    caveats=(
        (
            "Searched or published?",
            "Mainline's get_peers comes before searches and publishes alike and does not say which. Here both are "
            '"lookups". Only noseed=1 (BEP 33) hints at a seed, and only an announce proves a publish. So nobody can '
            "tell from rates how many nodes publish a key.",
        ),
        (
            "Announces may be zero.",
            "They follow a reply with a token. Monitors that stay silent give none, so they see no announce_peer; that "
            "is no sign that nothing was published.",
        ),
        (
            "A lookup is not a person.",
            "Clients repeat lookups on their own, every 15 minutes or so for each torrent.",
        ),
        (
            "Node lookups",
            "(find_node) are mostly upkeep of routing tables and cannot be told from the searches of clients that "
            "begin with them (rTorrent). They are counted apart.",
        ),
        ("Client versions", "are what queries claim."),
    ),
)
