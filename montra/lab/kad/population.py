"""Who is in the network and what there is to find: IDs, addresses, keywords and files, all from one seed."""

from __future__ import annotations

import random
from collections.abc import Iterator

import msgspec
from Crypto.Hash import MD4

from montra.lab.kad.settings import ID_BITS, KadLabSettings
from montra.overlays.kad.ids import keyword_id
from zone_store.keyspace.zone import Zone

UDP_PORT, TCP_PORT, CONTROL_PORT = 4672, 4662, 4712
#: For whoever crawls the network: neither a node's nor a monitor's address.
CRAWLER_ADDRESS = "100.127.255.1"
_SUBNETS = 254
_CONSONANTS, _VOWELS = "bdfghjklmnprstvwz", "aeiou"
_SYLLABLES = 4
#: Shared files are small: they are hashed at once, and are one part, so that their ed2k hash is the MD4 of their bytes.
_SMALLEST, _LARGEST = 64, 1024


class KadNode(msgspec.Struct, frozen=True, kw_only=True):
    """One daemon. id: its KadID, 32 hex digits of the number; udp_key: what its verify keys are made of
    (`CryptoKadUDPKey`), known so that its packets can be read; firewalled: whether it is cut off from TCP.
    """

    index: int
    id: str
    ip: str
    udp_key: int
    udp_port: int = UDP_PORT
    tcp_port: int = TCP_PORT
    firewalled: bool = False

    @property
    def node_id(self) -> bytes:
        """The KadID, big-endian."""
        return bytes.fromhex(self.id)


class SharedFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file. hash: MD4 of `content`, which is its ID in Kad too; words: the keywords in its name; publishers: indices
    of the nodes that are to share it.
    """

    name: str
    hash: str
    content: bytes
    words: tuple[str, ...]
    publishers: tuple[int, ...]

    @property
    def size(self) -> int:
        """Bytes."""
        return len(self.content)

    @property
    def link(self) -> str:
        """The ed2k link, as a user hands it on."""
        return f"ed2k://|file|{self.name.replace(' ', '%20')}|{self.size}|{self.hash.upper()}|/"


class Population(msgspec.Struct, frozen=True, kw_only=True):
    """All of it; `words` are all keywords, the most popular first."""

    nodes: tuple[KadNode, ...]
    files: tuple[SharedFile, ...]
    words: tuple[str, ...]


def populate(settings: KadLabSettings) -> Population:
    """Draw a population; the same settings give the same one."""
    rng = random.Random(settings.seed)
    zone = Zone.parse(settings.zone, ID_BITS)
    # those outside first, as in the lab of libtorrent nodes
    outside = settings.nodes - settings.in_zone
    closed = set(rng.sample(range(settings.nodes), settings.firewalled))
    publishing = [i for i in range(settings.nodes) if i not in closed]
    nodes = tuple(
        KadNode(
            index=i,
            id=_random_id(zone, i >= outside, rng).hex(),
            ip=node_address(i),
            udp_key=rng.randrange(1, 2**31),
            firewalled=i in closed,
        )
        for i in range(settings.nodes)
    )
    source = _words(zone, rng)
    words = tuple(next(source) for _ in range(settings.words))
    names = _names(words, settings.words_per_file, rng)
    files = tuple(_file(next(names), rng.sample(publishing, count), zone, rng) for count in settings.publishers)
    return Population(nodes=nodes, files=files, words=words)


def file_id(content: bytes) -> bytes:
    """Return the ID of a file of one part, canonical: its ed2k hash."""
    return MD4.new(content).digest()  # noqa: S303 - what ed2k takes


def node_address(index: int) -> str:
    """Return the address of the node of this index: one /24 each, because a /24 has few places in a table."""
    second, third = divmod(index, _SUBNETS)
    return f"100.{64 + second}.{1 + third}.1"


def monitor_addresses(count: int) -> list[str]:
    """Return addresses for so many monitors, one /24 each, none of them a node's."""
    return [f"100.{96 + i // _SUBNETS}.{1 + i % _SUBNETS}.1" for i in range(count)]


def _random_id(zone: Zone, inside: bool, rng: random.Random) -> bytes:
    if inside:
        return zone.random_id(rng)
    while zone.contains(node_id := rng.randbytes(ID_BITS // 8)):
        pass
    return node_id


def _words(zone: Zone, rng: random.Random) -> Iterator[str]:
    """Yield distinct words whose ID is in the zone."""
    seen = set()
    while True:
        word = "".join(rng.choice(_CONSONANTS) + rng.choice(_VOWELS) for _ in range(_SYLLABLES))
        if word not in seen and zone.contains(keyword_id(word)):
            seen.add(word)
            yield word


def _names(words: tuple[str, ...], count: int, rng: random.Random) -> Iterator[list[str]]:
    """Yield the words of names, each name once: in a node's folder a second file of a name would replace the first."""
    seen = set()
    while True:
        name = rng.sample(words, count)
        if tuple(name) not in seen:
            seen.add(tuple(name))
            yield name


def _file(words: list[str], publishers: list[int], zone: Zone, rng: random.Random) -> SharedFile:
    body = rng.randbytes(rng.randrange(_SMALLEST, _LARGEST))
    content = next(data for count in range(2**32) if zone.contains(file_id(data := body + count.to_bytes(4, "big"))))
    return SharedFile(
        # aMule takes no keyword from an extension of three letters (`SearchManager.cpp:GetWords`)
        name=" ".join(words) + ".bin",
        hash=file_id(content).hex(),
        content=content,
        words=tuple(words),
        publishers=tuple(sorted(publishers)),
    )
