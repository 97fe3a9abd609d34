"""Commands: how many, when, by whom, for what."""

import random
from collections import Counter

from montra.lab.settings import WorkloadSettings
from montra.lab.workload import REPEAT_GAP_S, Requests, make_keys, schedule
from zone_store.keyspace.zone import Zone


def test_schedule_is_exact_in_number_and_early_in_announces() -> None:
    settings = WorkloadSettings(lookups=300, announces=100, duration_s=40.0, announce_within=0.5, seed_share=0.5)
    commands = schedule(settings, random.Random(1))
    announces = [command for command in commands if command.announce]
    assert (len(commands), len(announces)) == (400, 100)
    assert [command.at_s for command in commands] == sorted(command.at_s for command in commands)
    assert max(command.at_s for command in announces) < 20.0 < max(command.at_s for command in commands) < 40.0
    assert 35 <= sum(command.seed for command in announces) <= 65
    assert not any(command.seed for command in commands if not command.announce)


def test_arrivals_are_poisson() -> None:
    commands = schedule(WorkloadSettings(lookups=20_000, announces=0, duration_s=1000.0), random.Random(2))
    per_second = Counter(int(command.at_s) for command in commands)
    counts = [per_second[second] for second in range(1000)]
    mean = sum(counts) / 1000
    variance = sum((count - mean) ** 2 for count in counts) / 999
    assert mean == 20.0
    assert 0.85 < variance / mean < 1.15


def test_keys_lie_in_the_zone_or_outside_as_asked() -> None:
    zone = Zone.parse("a4/6")
    keys = make_keys(WorkloadSettings(info_hashes=50), zone, random.Random(3))
    assert len(set(keys)) == 50
    assert all(zone.contains(key) for key in keys)
    given = WorkloadSettings(keys=("00" * 20, "ff" * 20))
    assert make_keys(given, zone, random.Random(3)) == [bytes(20), b"\xff" * 20]
    some = make_keys(WorkloadSettings(info_hashes=400, outside_share=0.25), zone, random.Random(3))
    assert 70 <= sum(not zone.contains(key) for key in some) <= 130


def test_popularity_falls_as_zipf_says() -> None:
    keys = [bytes([i]) * 20 for i in range(4)]
    requests = Requests(keys, 1.0, random.Random(4))
    drawn = Counter(pair[1] for now in range(20_000) if (pair := requests.draw(now * 1000.0, range(50))))
    shares = [drawn[key] / 20_000 for key in keys]
    for share, expected in zip(shares, [12 / 25, 6 / 25, 4 / 25, 3 / 25], strict=True):
        assert abs(share - expected) < 0.02


def test_no_pair_repeats_within_the_gap() -> None:
    requests = Requests([b"a" * 20, b"b" * 20], 0.0, random.Random(5))
    drawn = [requests.draw(float(now), [7, 8, 9]) for now in range(6)]
    assert len(set(drawn)) == 6
    assert None not in drawn
    assert requests.draw(6.0, [7, 8, 9]) is None
    assert requests.draw(REPEAT_GAP_S, [7, 8, 9]) == drawn[0]


def test_nobody_to_ask() -> None:
    assert Requests([b"a" * 20], 1.0, random.Random(6)).draw(0.0, []) is None
