"""A fleet that answers each content ID once: what strangers say because of it is kept, all else is not."""

from __future__ import annotations

from random import Random

import numpy as np

from montra.datagrams import Datagram, DatagramBatch, StrangerReply, ip_number
from montra.monitors.fleet import Fleet, FleetOutput
from montra.monitors.settings import settings_of
from montra.overlays.base import Scope
from montra.overlays.kad import OVERLAY, messages, phase_two
from montra.overlays.kad.opcodes import SEARCH_COUNT, STORE_COUNT, TagName
from montra.overlays.kad.phase_two import File, PublishSource
from montra.overlays.kad.wire import KadWire, envelope
from zone_store.contents import Content, What
from zone_store.keyspace.zone import Zone

from .kad_world import KadWorld

STRANGER, OTHER = (ip_number("100.64.200.1"), 4672), (ip_number("100.64.201.1"), 4672)
KEY, FILE = b"\xa4\x01" * 8, b"\xa4\x02" * 8


class Once(KadWorld):
    """A world with one target whose fleet answers once, and strangers that speak to its monitor."""

    def __init__(self, mode: str = "once", scope: Scope | None = None) -> None:
        super().__init__()
        courtesy = OVERLAY.courtesy(OVERLAY.reply_table(mode, {}), b"", scope or Scope())
        zone = Zone.parse("a4/6", 128)
        self.fleet = Fleet(OVERLAY, zone, self.plan, Random(1), settings_of(OVERLAY), courtesy)
        node = self.node(1)
        self.run(6)
        self.at = self.attachment(node)
        ip, port = np.array([self.at.monitor_ip], np.uint32), np.array([self.at.monitor_port], np.uint16)
        self.local = int(self.plan.locals_of(ip, port)[0])

    def says(self, source: tuple[int, int], packet: bytes) -> FleetOutput:
        """Deliver a stranger's packet to the monitor."""
        sealed = envelope(packet, node_id=self.at.monitor_id)
        (out,) = KadWire(b"of a stranger", Random(1)).seal([Datagram(0, self.at.monitor_ip, 1, sealed)])
        return self.feed(self.local, *source, out.payload)

    def asks(self, source: tuple[int, int], count: int, key: bytes) -> list[Datagram]:
        """Deliver a stranger's REQ; return the answers."""
        return self.says(source, messages.request(count, key, self.at.monitor_id)).outgoing


def test_one_stranger_is_answered_and_what_it_says_is_kept() -> None:
    world = Once()
    (reply,) = world.asks(STRANGER, STORE_COUNT, KEY)
    assert type(reply) is StrangerReply
    assert reply[:3] == (world.local, *STRANGER)
    assert world.asks(OTHER, SEARCH_COUNT, KEY) == []
    file = File(FILE, [(TagName.FILE_NAME, "red.avi"), (TagName.FILE_SIZE, 700)])
    output = world.says(STRANGER, phase_two.publish_key(KEY, [file]))
    assert output.outgoing == []
    assert output.contents == [
        Content(world.now, world.at.number, *STRANGER, What.KEYWORD, KEY, FILE, 700, "red.avi"),
    ]
    assert world.count("stranger_replies_once") == world.count("stranger_contents") == 1


def test_the_reply_opens_with_what_the_stranger_gave() -> None:
    world = Once()
    (reply,) = world.asks(STRANGER, STORE_COUNT, KEY)
    assert world.wire is not None
    (sealed,) = world.wire.seal([reply])
    batch = DatagramBatch.of([(0, 0, world.at.monitor_ip, 1, sealed.payload)])
    # the stranger is asked by its own verify key: the monitor does not know its ID
    opened = KadWire(b"of a stranger", Random(1)).open(batch, np.zeros((1, 16), np.uint8)).payload(0)
    message = OVERLAY.parse(opened)
    assert (message.type, message.transaction, message.contacts, message.verified) == ("reply", KEY, (), True)


def test_what_nobody_asked_for_is_not_kept() -> None:
    world = Once()
    packet = phase_two.publish_source(PublishSource(KEY, bytes(16), [(TagName.FILE_SIZE, 700)]))
    assert world.says(STRANGER, packet).contents == []
    world.asks(STRANGER, STORE_COUNT, KEY)
    assert world.says(OTHER, packet).contents == []
    assert len(world.says(STRANGER, packet).contents) == 1
    assert world.says(STRANGER, packet[:20]).contents == []
    assert world.count("stranger_uninvited") == 2
    assert world.count("stranger_unreadable") == 1


def test_silence_reads_nothing() -> None:
    world = Once("least")
    assert world.asks(STRANGER, STORE_COUNT, KEY) == []
    packet = phase_two.publish_source(PublishSource(KEY, bytes(16), [(TagName.FILE_SIZE, 700)]))
    assert world.says(STRANGER, packet).contents == []
    assert [name for name in world.fleet.counters.counts if name.startswith("stranger_c")] == []


def test_the_targets_own_lookups_are_not_answered() -> None:
    world = Once()
    target = world.at.target_ip, world.at.target_port
    assert [type(one) for one in world.asks(target, STORE_COUNT, KEY)] == []
    assert len(world.asks(STRANGER, STORE_COUNT, KEY)) == 1
