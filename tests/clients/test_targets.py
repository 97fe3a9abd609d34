"""Real clients as targets: found by the crawl, given a monitor, handing it out."""

import bencodepy
import pytest

from montra.datagrams import ip_number
from montra.lab.clients.client import Client
from tests.clients.scene import CRAWLER, Evidence, endpoint

pytestmark = [pytest.mark.clients, pytest.mark.netns, pytest.mark.slow, pytest.mark.timeout(300)]

#: From the crawl's first word with the target until it hands its monitor out. Measured: 0.3 to 0.4 s with all three;
#: with Transmission 60 to 330 s before monitors greeted it with a pong.
VISIBLE_WITHIN_S = 5.0


def test_the_crawl_finds_it_under_its_own_id(evidence: Evidence, client: Client) -> None:
    (attachment,) = evidence.attachments_at(endpoint(client))
    assert attachment.target_id == evidence.node_ids[endpoint(client)]
    assert attachment.found_ns <= attachment.introduced_ns <= attachment.accepted_ns


def test_its_monitor_is_visible_soon_and_stays_so(evidence: Evidence, client: Client) -> None:
    (attachment,) = evidence.attachments_at(endpoint(client))
    ((begin_ns, end_ns),) = attachment.visible
    assert (begin_ns - attachment.found_ns) / 1e9 < VISIBLE_WITHIN_S
    assert (end_ns, attachment.reason) == (attachment.lost_ns, "sealed")


def test_it_names_its_monitor_to_the_crawler(evidence: Evidence, client: Client) -> None:
    """The wire is witness: what the crawler takes for a view of the target is one."""
    (attachment,) = evidence.attachments_at(endpoint(client))
    contact = (
        attachment.monitor_id + attachment.monitor_ip.to_bytes(4, "big") + attachment.monitor_port.to_bytes(2, "big")
    )
    replies = [
        bencodepy.bdecode(packet.payload).get(b"r")
        for packet in evidence.packets
        if (packet.source_ip, packet.source_port) == endpoint(client)
        and packet.ip == ip_number(CRAWLER)
        and packet.time_ns > attachment.visible[0][0]
    ]
    assert any(values and contact in values.get(b"nodes", b"") for values in replies)


def test_every_node_of_the_network_has_a_visible_monitor(evidence: Evidence) -> None:
    assert {(a.target_ip, a.target_port): a.target_id for a in evidence.attachments} == evidence.node_ids
    assert all(a.visible for a in evidence.attachments)
