"""Workers are built of their share, and treat strangers as the whole run does."""

from __future__ import annotations

import numpy as np
import pytest

from montra.datagrams import DatagramBatch, StrangerReply, ip_number
from montra.processes.build import build_worker
from montra.window.config import Addresses, Config, Processes, Replies

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
