"""Who is in the zone."""

import numpy as np

from montra.simulator.population import endpoints, populate, zone_ids
from montra.simulator.settings import Family, SimSettings
from zone_store.keyspace.zone import Zone

ZONE = Zone.parse("a4/6")


def test_nodes_are_sorted_and_in_the_zone() -> None:
    settings = SimSettings(nodes=64_000, zone=ZONE)
    nodes = populate(settings, np.random.default_rng(1))
    ids = [node_id.tobytes() for node_id in nodes.node_id]
    assert ids == sorted(set(ids))
    assert all(ZONE.contains(node_id) for node_id in ids)
    assert nodes.head[0] == int.from_bytes(ids[0][:8])
    assert (
        np.count_nonzero(nodes.alive(settings.start_ns)) == 1000
        or 930 < np.count_nonzero(nodes.alive(settings.start_ns)) < 1070
    )
    assert len(set(zip(nodes.ip.tolist(), nodes.port.tolist(), strict=True))) == len(nodes)


def test_without_churn_everybody_stays() -> None:
    settings = SimSettings(nodes=640, zone=ZONE, churn=False, clients={Family.ARIA2: 1.0}, unreachable=0.0)
    nodes = populate(settings, np.random.default_rng(1))
    assert len(nodes) == 10
    assert not nodes.down_ns.any()
    assert nodes.client.tolist() == [Family.ARIA2] * 10
    assert nodes.reachable.all()


def test_a_zone_of_no_bits_is_everything() -> None:
    ids = zone_ids(Zone.parse("00/0"), 400, np.random.default_rng(1))
    assert len(set(ids[:, 0].tolist())) > 150


def test_addresses_are_distinct_and_public() -> None:
    ips, ports = endpoints(5000, np.random.default_rng(1))
    assert len(set(ips.tolist())) == 5000
    assert set((ips >> 24).tolist()) <= set(range(40, 191)) - {48, 127, 172}
    assert ports.min() > 1024
