"""Who gets what: all of the zone, all of the ports, and never more than all of the limits."""

from __future__ import annotations

import random
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from montra.datagrams import Counters, Datagram
from montra.endpoint.blocklist import Blocklist
from montra.endpoint.limits import Limits, LimitSettings, Rate
from montra.endpoint.outbox import Outbox
from montra.monitors.settings import FleetSettings, settings_of
from montra.overlays.kad import OVERLAY as KAD
from montra.processes.build import check_division
from montra.processes.share import Sectors, divide_limits, handover_s, share_of
from montra.window.config import Addresses, Config, ConfigError, Processes, validate
from zone_store.keyspace.zone import Zone

SECOND = 1_000_000_000
ZONE = Zone.parse("a4/6")


def config(workers: int, ips: tuple[str, ...] = ("198.51.0.0/17",), **more: object) -> Config:
    return Config(
        zone="a4/6",
        bootstrap=("20.0.1.1:6881",),
        addresses=Addresses(crawler="192.0.2.1:20880", monitors=ips, ports="20881-20890"),
        processes=Processes(workers=workers),
        **more,  # type: ignore[arg-type]
    )


@pytest.mark.parametrize("workers", [1, 2, 3, 4, 5, 7, 8, 13])
def test_every_id_of_the_zone_has_one_owner(workers: int) -> None:
    sectors = Sectors(ZONE, workers)
    rng = random.Random(workers)
    counts = [0] * workers
    for _ in range(4000):
        node_id = ZONE.random_id(rng)
        slot = sectors.slot_of(node_id)
        counts[slot] += 1
        assert [sectors[i].contains(node_id) for i in range(workers)] == [i == slot for i in range(workers)]
    assert max(counts) < 1.6 * min(counts), "shares are about equal"
    outside = bytes([ZONE.low()[0] ^ 0x80]) + bytes(19)
    assert sectors.slot_of(outside) == -1
    assert not any(sectors[i].contains(outside) for i in range(workers))
    assert not sectors[0].contains(ZONE.low()[:10])


def test_sectors_are_neighbouring_parts() -> None:
    assert [str(Sectors(ZONE, 2)[i]) for i in range(2)] == ["a4/7", "a6/7"]
    assert [str(Sectors(ZONE, 3)[i]) for i in range(3)] == ["a40/10 to a50/10", "a54/10 to a64/10", "a68/10 to a7c/10"]
    assert Sectors(ZONE, 2).slot_of(Zone.parse("a4/7").high()) == 0
    assert Sectors(ZONE, 2).slot_of(Zone.parse("a6/7").low()) == 1


def test_a_zone_can_be_too_small() -> None:
    with pytest.raises(ConfigError, match="too few IDs"):
        Sectors(Zone(0, 160), 2)


rates = st.builds(Rate, st.floats(0.1, 1e6), st.integers(40, 10_000))


@given(rates, rates, rates, st.floats(0.05, 1.0), st.integers(2, 16))
def test_the_shares_never_let_out_more_than_the_whole(
    total: Rate, target: Rate, subnet: Rate, scheduled: float, workers: int
) -> None:
    whole = LimitSettings(total, target, subnet, scheduled)
    crawler, worker = divide_limits(whole, workers)
    for name, others in (("total", workers), ("target", 1), ("subnet", workers)):
        limit, ours, theirs = getattr(whole, name), getattr(crawler, name), getattr(worker, name)
        assert ours.per_s + others * theirs.per_s <= limit.per_s * (1 + 1e-9)
        assert ours.burst + others * theirs.burst <= limit.burst
        assert ours.per_s + others * theirs.per_s >= limit.per_s * (1 - 1e-9), "nothing is given away"
    assert crawler.scheduled_per_s + workers * worker.scheduled_per_s <= whole.scheduled_per_s * (1 + 1e-9)
    for name in ("replies", "requester"):
        limit, each = getattr(whole, name), getattr(worker, name)
        assert workers * each.per_s <= limit.per_s * (1 + 1e-9)
        assert limit.burst - workers < workers * each.burst <= limit.burst


def test_the_rule_with_numbers() -> None:
    whole = LimitSettings(Rate(5000, 1000), Rate(1, 8), Rate(20, 40), 0.75)
    crawler, worker = divide_limits(whole, 2)
    assert (crawler.total.per_s, crawler.total.burst) == (pytest.approx(2250), 449)
    assert (worker.total.per_s, worker.total.burst) == (pytest.approx(1375), 275)
    assert (crawler.target, worker.target) == (Rate(0.5, 4), Rate(0.5, 4))
    assert (crawler.subnet, worker.subnet) == (Rate(10, 20), Rate(5, 10))
    assert crawler.scheduled_share == 1.0
    assert worker.scheduled_per_s == pytest.approx(750)  # (0.75 - 0.45) of 5000, halved
    assert handover_s(whole) == 8.0


def test_bursts_too_small_to_be_divided() -> None:
    tight = LimitSettings(Rate(100, 3), Rate(1, 1), Rate(20, 4), 0.75)
    with pytest.raises(ConfigError) as caught:
        check_division(config(4, limits=tight))
    assert [line.split(" =")[0] for line in caught.value.problems] == [
        "limits.total.burst",
        "limits.target.burst",
        "limits.subnet.burst",
    ]
    few = LimitSettings(replies=Rate(100, 3), requester=Rate(1, 3))
    with pytest.raises(ConfigError) as caught:
        check_division(config(4, limits=few))
    assert caught.value.problems == [
        "limits.replies.burst = 3 cannot be divided over 4 workers",
        "limits.requester.burst = 3 cannot be divided over 4 workers",
    ]
    check_division(config(1, limits=tight))


@pytest.mark.parametrize("workers", [2, 3, 10])
def test_ports_are_dealt_and_nobodys_twice(workers: int) -> None:
    plans = [share_of(config(workers), ZONE, slot).plan for slot in range(workers)]
    assert [port for plan in plans for port in plan.ports] == list(range(20881, 20891))
    for one, other in combinations(plans, 2):
        assert not set(one.ports) & set(other.ports)


def test_groups_are_divided_while_each_has_plenty() -> None:
    given_config = config(4)
    plans = [share_of(given_config, ZONE, slot).plan for slot in range(4)]
    groups = [set((plan.ips.take(range(len(plan.ips))) >> 8).tolist()) for plan in plans]  # type: ignore[arg-type]
    assert [len(one) for one in groups] == [32] * 4
    assert len(set.union(*groups)) == 128
    scarce = [share_of(config(4, ("198.51.0.0/18", "203.0.113.7")), ZONE, slot).plan for slot in range(4)]
    assert [plan.groups for plan in scarce] == [16, 16, 16, 17]
    few = [share_of(config(4, ("198.51.0.0/19",)), ZONE, slot).plan for slot in range(4)]
    assert [plan.groups for plan in few] == [32] * 4, "too few to be divided: all have all, on ports of their own"


def test_groups_are_not_divided_where_that_costs_room() -> None:
    one_address_each = tuple(f"198.51.{i}.1" for i in range(64))
    roomy = config(2, one_address_each, monitors=FleetSettings(max_monitors=300))
    assert [share_of(roomy, ZONE, slot).plan.groups for slot in range(2)] == [32, 32]
    tight = config(2, one_address_each, monitors=FleetSettings(max_monitors=600))
    shares = [share_of(tight, ZONE, slot) for slot in range(2)]
    assert [share.plan.groups for share in shares] == [64, 64]
    assert sum(share.plan.pairs for share in shares) == 640


def test_the_sizes_of_fleets_add_up() -> None:
    settings = FleetSettings(max_monitors=1001, attach_rate=90.0, max_probes_per_s=50.0)
    shares = [share_of(config(3, monitors=settings), ZONE, slot).monitors for slot in range(3)]
    assert [share.max_monitors for share in shares] == [334, 334, 333]
    assert sum(share.attach_rate for share in shares) == pytest.approx(90.0)
    assert sum(share.max_probes_per_s for share in shares) == pytest.approx(50.0)


def test_fewer_ports_than_workers_is_a_fault() -> None:
    with pytest.raises(ConfigError) as caught:
        validate(config(11))
    (line,) = caught.value.problems
    assert "10 ports for 11 workers" in line
    assert "give a range of 11 or more" in line
    validate(config(10))


def test_auto_takes_the_cpus_as_far_as_ports_reach(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(8)))
    auto = Config(addresses=config(1).addresses, processes=Processes(workers="auto"))
    assert auto.worker_count == 8
    scarce = Config(
        addresses=Addresses(crawler="192.0.2.1:1", monitors=("198.51.100.1",), ports="20881-20883"),
        processes=Processes(workers="auto"),
    )
    assert scarce.worker_count == 3


@pytest.mark.parametrize("workers", [0, -1, 257])
def test_numbers_of_workers_that_make_no_sense(workers: int) -> None:
    with pytest.raises(ConfigError, match=r"processes\.workers"):
        validate(config(workers))


@pytest.mark.parametrize("workers", [2, 3])
def test_what_all_processes_send_together_keeps_the_promise(workers: int) -> None:
    """Everybody sends as much as it may to one /24 with targets of all workers: no window of time sees too much."""
    whole = LimitSettings(Rate(120, 60), Rate(12, 16), Rate(30, 40), 0.75)
    crawler, worker = divide_limits(whole, workers)
    outboxes = [
        Outbox(Limits(limits), Blocklist(), 5.0, 20_000, Counters()) for limits in (crawler, *[worker] * workers)
    ]
    targets = [(0xC6336401 + i, 6881) for i in range(2 * workers)]
    sent: list[tuple[int, tuple[int, int]]] = []
    for now_ns in range(0, 20 * SECOND, SECOND // 20):
        for number, outbox in enumerate(outboxes):
            local = 0 if number == 0 else number
            mine = targets if number == 0 else targets[2 * (number - 1) : 2 * number]
            outbox.offer(now_ns, [Datagram(local, ip, port, b"x") for ip, port in mine * 3], answers=number > 0)
            sent += [(now_ns, (one.ip, one.port)) for one in outbox.ready(now_ns)]

    def keeps(times: list[int], rate: Rate) -> bool:
        # at most burst + per_s * w in any window of w seconds
        return all(
            last - first + 1 <= rate.burst + rate.per_s * (times[last] - times[first]) / SECOND + 1e-6
            for first in range(0, len(times), 7)
            for last in range(first, len(times), 5)
        )

    times = [at_ns for at_ns, _ in sent]
    assert keeps(times, whole.total)
    assert keeps(times, whole.subnet)
    for target in targets:
        assert keeps([at_ns for at_ns, where in sent if where == target], whole.target)
    assert len(times) > 0.8 * whole.subnet.per_s * 20, "what may be sent is sent"


def kad(workers: int, *ips: str) -> Config:
    addresses = Addresses(crawler="192.0.2.1:4600", monitors=ips, ports="4672-4675")
    return Config(
        overlay="kad",
        zone="a4/6",
        bootstrap=("20.0.1.1:4672/" + "a4" * 16,),
        addresses=addresses,
        monitors=settings_of(KAD),
        processes=Processes(workers=workers),
    )


@pytest.mark.parametrize("ips", [("100.96.0.0/17",), ("100.96.0.0/22",), ("100.96.0.0/29", "100.97.0.7")])
def test_where_an_ip_holds_one_monitor_no_two_workers_share_one(ips: tuple[str, ...]) -> None:
    given_config = kad(3, *ips)
    validate(given_config)
    whole = given_config.plan()
    plans = [share_of(given_config, Zone.parse("a4/6", 128), slot).plan for slot in range(3)]
    taken = [set(plan.ips.take(range(len(plan.ips))).tolist()) for plan in plans]  # type: ignore[arg-type]
    assert sum(map(len, taken)) == len(set.union(*taken)) == len(whole.ips)
    assert sum(plan.capacity for plan in plans) == whole.capacity
    assert len({port for plan in plans for port in plan.ports}) == 4
    assert {plan.per_ip for plan in plans} == {1}
    assert min(plan.groups for plan in plans) >= min(16, whole.groups) - 1


def test_fewer_ips_than_workers_is_a_fault_there() -> None:
    with pytest.raises(ConfigError) as caught:
        validate(kad(3, "100.96.0.0/31"))
    assert caught.value.problems == [
        "addresses.monitors: 2 IPs for 3 workers, and each needs some of its own: give more, or lower processes.workers"
    ]
