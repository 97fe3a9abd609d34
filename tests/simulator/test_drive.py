"""Virtual time: the loop, the send gate and the batches, over a network that needs no simulator."""

import random
from pathlib import Path

import numpy as np

from montra.datagrams import SLOT_BYTES, Counters, Datagram, DatagramBatch
from montra.endpoint.driving import DriverSettings
from montra.endpoint.limits import LimitSettings, Rate
from montra.endpoint.plan import AddressPlan
from montra.simulator.drive import VirtualDriver, batch_of
from montra.simulator.instrument import SimulatedRun, instrument_config, run_simulated
from montra.window.analyze import attribute_run
from zone_store.keyspace.ids import xor_distance
from zone_store.keyspace.zone import Zone
from zone_store.run.folder import LOOKUP_STORE
from zone_store.run.reader import RunReader
from zone_store.run.verify import verify

from .standin import DELAY_NS, SECOND, StandIn

ZONE = Zone.parse("a4/8")
BEGIN_NS = 1_700_000_000 * SECOND
NODES = 48
LOOKUPS = 40


def simulate(folder: Path) -> tuple[StandIn, SimulatedRun, list[bytes]]:
    network = StandIn(ZONE, NODES, BEGIN_NS)
    rng = random.Random(7)
    keys = [ZONE.random_id(rng) for _ in range(LOOKUPS)]
    for number, key in enumerate(keys):
        network.plan_look_up(BEGIN_NS + (150 + number) * SECOND, (0xC6336407, 4000 + number), rng.randbytes(20), key)
    overrides: dict[str, object] = {"duration": "4m", "crawl.pause_s": 20.0}
    config = instrument_config(ZONE, NODES, 1, [network.nodes[0].address], folder, overrides)
    return network, run_simulated(config, network, BEGIN_NS), keys


def test_a_simulated_window_is_a_sealed_run_with_a_monitor_beside_each_node_and_every_lookup(tmp_path: Path) -> None:
    network, run, keys = simulate(tmp_path)
    assert verify(run.folder).ok
    attribute_run(run.folder, workers=1)
    with RunReader(run.folder) as reader:
        assert (reader.manifest.exit, reader.manifest.start_ns) == ("complete", BEGIN_NS)
        attachments = {attachment.number: attachment for attachment in reader.attachments()}
        lookups = [
            (table.key[i].tobytes(), int(table.destination[i])) for table in reader.lookups() for i in range(len(table))
        ]
        starts = [crawl.begin_ns for crawl in reader.crawls()]
    assert {attachment.target_id for attachment in attachments.values()} == {node.node_id for node in network.nodes}
    assert all(attachment.visible for attachment in attachments.values())
    ids = [node.node_id for node in network.nodes]
    nearest = {key: min(ids, key=lambda node_id: xor_distance(node_id, key)) for key in keys}
    assert {key: attachments[destination].target_id for key, destination in lookups} == nearest
    assert np.diff(starts).tolist() == [20 * SECOND] * (len(starts) - 1)


def test_every_packet_is_accounted_for(tmp_path: Path) -> None:
    network, run, _ = simulate(tmp_path)
    counters = run.manifest.counters
    assert counters["sent"] == network.sent
    assert counters["received"] == network.arrived
    # replies to users, who are no nodes
    assert network.lost == counters["monitor_stranger_replies_far_id"] == 8 * LOOKUPS
    assert counters["monitor_captured"] == run.manifest.captures == 8 * LOOKUPS
    assert "foreign_destination" not in counters


def test_the_same_seed_gives_the_same_lookups(tmp_path: Path) -> None:
    stores = []
    for name in ("one", "two"):
        _, run, _ = simulate(tmp_path / name)
        attribute_run(run.folder, workers=1)
        stores.append((run.folder / LOOKUP_STORE / "data.mdb").read_bytes())
    assert stores[0] == stores[1]


class Chatter:
    """Sends one datagram to each of some addresses every tick, each tick_s, and notes what is fed."""

    def __init__(self, addresses: int, tick_ns: int, local: int = 1) -> None:
        self.addresses, self.tick_ns, self.local = addresses, tick_ns, local
        self.next_ns = 0
        self.ticks: list[int] = []
        self.fed: list[tuple[int, list[int]]] = []

    def start(self, now_ns: int) -> list[Datagram]:
        self.next_ns = now_ns
        return []

    def feed(self, now_ns: int, batch: DatagramBatch) -> list[Datagram]:
        self.fed.append((now_ns, batch.time_ns.tolist()))
        return []

    def tick(self, now_ns: int) -> list[Datagram]:
        self.ticks.append(now_ns)
        self.next_ns = now_ns + self.tick_ns
        return [Datagram(self.local, 0xCB000009 + (i << 8), 6881, b"x") for i in range(self.addresses)]

    def due(self, now_ns: int) -> int:
        return max(now_ns, self.next_ns)


def drive(machine: Chatter, seconds: int, settings: DriverSettings) -> tuple[StandIn, VirtualDriver]:
    network = StandIn(ZONE, 1, BEGIN_NS)
    plan = AddressPlan("192.0.2.10:19999", ["198.18.0.1"], "20000")
    driver = VirtualDriver(plan, network, machine, settings)
    driver.run(BEGIN_NS, BEGIN_NS + seconds * SECOND)
    return network, driver


def test_the_send_gate_holds_in_virtual_time() -> None:
    limits = LimitSettings(total=Rate(100, 10), target=Rate(1, 2), subnet=Rate(10, 10), scheduled_share=1)
    network, driver = drive(Chatter(1, SECOND // 10), 60, DriverSettings(limits, max_wait_s=5.0))
    counts = driver.counters.counts
    assert network.sent == counts["sent"] == 2 + 59
    assert counts["sent"] + counts["rate_limited_target"] + counts["outbox_discarded"] == 600


def test_what_arrives_within_a_rest_is_one_batch_and_keeps_its_times() -> None:
    machine = Chatter(0, 10 * SECOND)
    network = StandIn(ZONE, 1, BEGIN_NS)
    driver = VirtualDriver(
        AddressPlan("192.0.2.10:19999", ["198.18.0.1"], "20000"), network, machine, DriverSettings(gather_s=0.05)
    )
    machine.addresses, ours = 1, (0xC6120001, 20000)
    times = [BEGIN_NS + SECOND + n * 20_000_000 for n in range(4)]
    for at_ns in times:
        network.arrive(at_ns, ours, (1 << 24, 5), b"hello")
    driver.run(BEGIN_NS, BEGIN_NS + 2 * SECOND)
    fed = [(now_ns - BEGIN_NS - SECOND, [at - BEGIN_NS - SECOND for at in at_ns]) for now_ns, at_ns in machine.fed]
    assert fed == [(0, [0]), (50_000_000, [20_000_000, 40_000_000]), (100_000_000, [60_000_000])]
    assert DELAY_NS < SECOND


def test_what_arrives_where_nobody_ever_spoke_is_counted() -> None:
    machine = Chatter(0, SECOND)
    network = StandIn(ZONE, 1, BEGIN_NS)
    driver = VirtualDriver(AddressPlan("192.0.2.10:19999", ["198.18.0.1"], "20000"), network, machine, DriverSettings())
    network.arrive(BEGIN_NS + 1, (0xC6120001, 20000), (1 << 24, 5), b"hello")
    driver.run(BEGIN_NS, BEGIN_NS + SECOND)
    assert driver.counters.counts == {"received": 1, "foreign_destination": 1}
    assert machine.fed == []


def test_a_batch_holds_what_was_said_and_cuts_what_is_too_long() -> None:
    counters = Counters()
    long = bytes(range(256)) * 9
    batch = batch_of([(5, 1, 2, 3, 4, b"abc"), (6, 1, 2, 7, 8, long)], np.array([1, 2], np.int32), counters)
    expected = DatagramBatch.of([(5, 1, 3, 4, b"abc"), (6, 2, 7, 8, long)])
    assert [batch.payload(0), batch.payload(1)] == [b"abc", long[:SLOT_BYTES]]
    for name in ("length", "truncated", "source_ip", "source_port", "local", "time_ns"):
        assert np.array_equal(getattr(batch, name), getattr(expected, name))
        assert getattr(batch, name).dtype == getattr(expected, name).dtype
    assert counters.counts == {"truncated": 1}
