"""Kad, the DHT of eMule and aMule (Kad2), IPv4.

`ids` and `opcodes` name things, `reader`, `tags`, `expressions`, `frames` read and write pieces, `messages` and
`phase_two` whole packets, `obfuscation`, `head` and `wire` what is on the network, `parse` and `scan` what comes in,
`contents` what is said of content IDs, `courtesy` who is answered, `nodes_dat` clients' files; `clients`, `defaults`
and `reading` are what is known of the network. `overlay` fits them to what the rest of montra asks.
"""

from montra.overlays.base import Overlay
from montra.overlays.kad.overlay import Kad

OVERLAY: Overlay = Kad()
"""The overlay object that `montra.overlays.base.load("kad")` returns."""
