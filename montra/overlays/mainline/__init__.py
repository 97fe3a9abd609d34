"""BitTorrent Mainline DHT (BEP 5, 32, 33, 43), IPv4.

`bencode` decodes safely, `messages` reads and writes KRPC, `layouts` and `scan` find lookups in batches, `clients`
names versions, `overlay` fits them to what the rest of montra asks.
"""

from montra.overlays.base import Overlay
from montra.overlays.mainline.overlay import Mainline

OVERLAY: Overlay = Mainline()
"""The overlay object that `montra.overlays.base.load("mainline")` returns."""
