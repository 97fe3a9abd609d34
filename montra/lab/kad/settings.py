"""What a private Kad network is asked to be, and what its nodes are told to do."""

from __future__ import annotations

import math
from pathlib import Path

import msgspec

from montra.lab.settings import LabError
from zone_store.keyspace.zone import Zone, ZoneError

ID_BITS = 128
#: A store or phase-2 search packet goes only to nodes whose distance to the key has so many leading zero bits
#: (`Search.cpp`, SEARCHTOLERANCE); in a small network nobody is so near unless all IDs and keys share these bits.
TOLERANCE_BITS = 8
#: Addresses of nodes: 100.64.1.1, 100.64.2.1, ... as far as 100.95; monitors have the upper half of 100.64.0.0/10.
MOST_NODES = 32 * 254


class KadLabSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A private network of real amuled, each at an address and in a /24 of its own.

    out: a folder for all files, made if it is missing; nodes: how many daemons; zone: prefix of at least 8 bits that
    all keywords, file hashes and the IDs of `zone_share` of the nodes have; seed_peers: contacts each node is given at
    the start; rate: how many seconds pass for the daemons in one of ours; publishers: how many nodes share each file,
    a number for each file; words: distinct keywords; words_per_file: of them in each file's name, 1 to 3; firewalled:
    how many nodes exchange no TCP with others, and so publish nothing: where they look for a buddy nobody stands; seed:
    of all random choices but the daemons' own.
    """

    out: Path
    nodes: int = 100
    zone: str = "a4/8"
    zone_share: float = 1.0
    seed_peers: int = 40
    rate: float = 5.0
    publishers: tuple[int, ...] = (20, 12, 8, 6, 5, 4, 4, 3, 3, 3, 2, 2, 2, 2, 2) + (1,) * 75
    words: int = 150
    words_per_file: int = 2
    firewalled: int = 0
    seed: int = 1

    def __post_init__(self) -> None:
        _require(2 <= self.nodes <= MOST_NODES, f"nodes must lie in 2..{MOST_NODES}")
        try:
            zone = Zone.parse(self.zone, ID_BITS)
        except ZoneError as error:
            raise LabError(f"zone: {error}") from None
        _require(zone.length >= TOLERANCE_BITS, f"the zone must have at least {TOLERANCE_BITS} bits")
        _require(zone.length <= 16, "keywords of a zone of more than 16 bits are too hard to find")
        _require(0 < self.zone_share <= 1, "zone_share must lie in (0, 1]")
        _require(self.seed_peers >= 1, "seed_peers must be at least 1")
        _require(1 <= self.rate < math.inf, "rate must be finite and at least 1")
        _require(0 <= self.firewalled < self.nodes, "firewalled must lie in 0..nodes - 1")
        most = self.nodes - self.firewalled
        _require(all(1 <= n <= most for n in self.publishers), f"publishers must lie in 1..{most}")
        _require(1 <= self.words_per_file <= 3, "words_per_file must lie in 1..3")
        _require(self.words >= self.words_per_file, "words must be at least words_per_file")
        names = math.perm(self.words, self.words_per_file)
        _require(len(self.publishers) <= names, f"{self.words} words make {names} names, too few for the files")

    @property
    def in_zone(self) -> int:
        """How many nodes have their ID in the zone."""
        return max(1, math.floor(self.nodes * self.zone_share + 0.5))


class KadWorkload(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the nodes are told to do, at random times of `duration_s` of our seconds.

    searches: keyword searches, by any node, for words by a Zipf law with exponent `zipf`; downloads: files that a node
    which does not share them is told to fetch (a source search); share_within_s: over how long the files are handed to
    those who publish them (0: all at once); hold_s: how long packets are still watched after the last command,
    None = as long as the longest lookup (a store, 140 of the daemons' seconds).
    """

    duration_s: float = 60.0
    searches: int = 300
    downloads: int = 0
    share_within_s: float = 40.0
    zipf: float = 0.6
    hold_s: float | None = None

    def __post_init__(self) -> None:
        _require(0 < self.duration_s < math.inf, "duration_s must be positive")
        _require(min(self.searches, self.downloads) >= 0, "searches and downloads must not be negative")
        _require(0 <= self.share_within_s <= self.duration_s, "share_within_s must lie in 0..duration_s")
        _require(self.zipf >= 0, "zipf must not be negative")
        _require(self.hold_s is None or self.hold_s >= 0, "hold_s must not be negative")


def _require(holds: bool, message: str) -> None:
    if not holds:
        raise LabError(message)
