"""Kad, the DHT of eMule and aMule (Kad2), IPv4.

`ids` and `opcodes` name things, `reader`, `tags`, `frames` read and write pieces, `messages`, `phase_two` and
`reachability` whole packets, `obfuscation` and `wire` what is on the network, `parse` and `scan` what comes in,
`nodes_dat` clients' files; `overlay` fits them to what the rest of montra asks.
"""

from montra.overlays.base import Overlay
from montra.overlays.kad.overlay import Kad

OVERLAY: Overlay = Kad()
"""The overlay object that `montra.overlays.base.load("kad")` returns."""
