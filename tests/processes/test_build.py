"""Workers are built of their share, and treat strangers as the whole run does."""

from __future__ import annotations

import numpy as np
import pytest

from montra.datagrams import Datagram, DatagramBatch, StrangerReply, ip_number
from montra.overlays.base import Asked, Peer
from montra.overlays.kad import messages
from montra.overlays.kad.head import opened
from montra.processes.build import build_parent, build_worker
from montra.window.build import build_courtesy
from montra.window.config import Addresses, Config, Processes, Replies, parse

NOW = 1_700_000_000 * 10**9
STRANGER = ip_number("20.0.9.1")
QUERY = b"d1:ad2:id20:%b9:info_hash20:%be1:q9:get_peers1:t2:aa1:v4:LT\2\x111:y1:qe" % (b"i" * 20, b"\xa4" + bytes(19))


def config(mode: str) -> Config:
    return Config(
        zone="a4/6",
        bootstrap=("20.0.1.1:6881",),
        addresses=Addresses(crawler="192.0.2.1:20880", monitors=("198.51.0.0/17",), ports="20881-20890"),
        processes=Processes(workers=2),
        replies=Replies(mode=mode),
    )


@pytest.mark.parametrize(("mode", "replies"), [("least", 1), ("paper", 0)])
def test_a_worker_replies_as_the_run_is_configured(mode: str, replies: int) -> None:
    parts = build_worker(config(mode), 7, 0, 0, {})
    parts.fleet.found(NOW, b"\xa4" + bytes(19), ip_number("20.0.2.1"), 6881)
    (introduction,) = parts.fleet.tick(NOW + 10**9)
    batch = DatagramBatch.of([(NOW, introduction.local, STRANGER, 6881, QUERY)])
    outgoing = parts.fleet.feed(NOW, batch, parts.overlay.scan(batch)).outgoing
    assert [type(datagram) for datagram in outgoing] == [StrangerReply] * replies
    assert (np.array([d.local for d in outgoing]) == introduction.local).all()


def test_workers_of_a_run_that_encrypts_share_their_keys_and_no_address() -> None:
    given = parse(
        {
            "overlay": "kad",
            "zone": "a4/6",
            "bootstrap": ["20.0.1.1:4672/" + "a4" * 16],
            "addresses": {"crawler": "192.0.2.1:4670", "monitors": ["198.51.100.0/28"], "ports": "4672-4673"},
            "processes": {"workers": 2},
        }
    )
    parent, relay = build_parent(given, 7)
    workers = [build_worker(given, 7, slot, 0, {}) for slot in (0, 1)]
    assert relay.ids_at(np.array([0, 1], np.int32)).tolist() == [[0] * 16] * 2
    target = b"\xa4" + bytes(15)
    keys = set()
    for wire in (parent.wire, *(worker.wire for worker in workers)):
        assert wire is not None
        hello = parent.overlay.introduction(target[:-1] + b"\1", Peer(target), b"")
        (sealed,) = wire.seal([Datagram(1, STRANGER, 4672, hello)])
        batch = DatagramBatch.of([(NOW, 1, ip_number("198.51.100.1"), 4672, sealed.payload)])
        opened = wire.open(batch, np.frombuffer(target, np.uint8).reshape(1, 16))
        message = parent.overlay.parse(opened.payload(0))
        assert (message.type, message.method, message.sender_id) == ("query", "hello", target[:-1] + b"\1")
        keys.add(message.peer_key)
    assert len(keys) == 1
    first, second = ({worker.share.plan.ips.at(rank) for rank in range(8)} for worker in workers)
    assert len(first | second) == 16


def test_a_content_id_is_answered_by_the_worker_in_whose_sector_it_lies() -> None:
    given = parse(
        {
            "overlay": "kad",
            "zone": "a4/8",
            "bootstrap": ["20.0.1.1:4672/" + "a4" * 16],
            "addresses": {"crawler": "192.0.2.1:4670", "monitors": ["198.51.100.0/28"], "ports": "4672-4673"},
            "processes": {"workers": 2},
            "replies": {"mode": "once"},
        }
    )
    workers = [build_worker(given, 7, slot, 0, {}) for slot in (0, 1)]
    keys = [bytes([0xA4, second]) + bytes(14) for second in (0x10, 0x70, 0x80, 0xF0)]
    requests = [(NOW, 1, STRANGER, 4672, opened(messages.request(2, key, keys[0]))) for key in keys]
    batch = DatagramBatch.of(requests)
    monitors = np.frombuffer(keys[0] * len(keys), np.uint8).reshape(-1, 16)
    answered = []
    for worker in workers:
        courtesy = build_courtesy(given, worker.overlay, 7, worker.share.sector)
        assert courtesy is not None
        asked = Asked(batch, worker.overlay.scan(batch), np.arange(len(keys)), monitors)
        replies = courtesy.answer(NOW, asked)
        answered.append(replies.rows.tolist())
    assert answered == [[0, 1], [2, 3]]
