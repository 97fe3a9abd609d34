"""Canaries of a configuration: where they may speak from, what they are, and their machine as the driver sees it."""

from typing import Any

import pytest

from montra.datagrams import DatagramBatch
from montra.overlays import base as overlays
from montra.overlays.mainline import bencode
from montra.window.canaries import build_canaries, canary_plans
from montra.window.config import Config, ConfigError, parse, validate
from zone_store.run.canaries import CanaryLookup

SECOND = 1_000_000_000


def config(**canaries: Any) -> Config:
    return parse(
        {
            "zone": "a4/6",
            "bootstrap": ["127.10.1.1:6881"],
            "addresses": {"crawler": "127.99.0.1:20880", "monitors": ["127.100.0.0/24"], "ports": "20881-20884"},
            "canaries": canaries,
        }
    )


@pytest.mark.parametrize(
    ("address", "problem"),
    [
        ("127.100.0.9:5", "canaries.addresses: 127.100.0.9:5 lies in a /24 of the monitors or of the crawler"),
        ("127.99.0.7:5", "canaries.addresses: 127.99.0.7:5 lies in a /24 of the monitors or of the crawler"),
        ("127.98.0.1:20882", "canaries.addresses: the port of 127.98.0.1:20882 is one of the monitors' ports"),
        ("127.98.0.1", "canaries.addresses: crawler '127.98.0.1': write ADDRESS:PORT"),
    ],
)
def test_addresses_that_are_none_for_a_stranger(address: str, problem: str) -> None:
    with pytest.raises(ConfigError) as raised:
        validate(config(addresses=[address]))
    assert raised.value.problems[0].startswith(problem)


def test_one_address_twice_and_a_rate_of_nothing() -> None:
    with pytest.raises(ConfigError, match="one is named twice"):
        validate(config(addresses=["127.98.0.1:5", "127.98.0.1:5"]))
    with pytest.raises(ConfigError, match="per_minute = 0"):
        config(per_minute=0.0)


def test_off_unless_addresses_are_given() -> None:
    validate(config())
    assert canary_plans(config()) == []


def test_each_address_is_a_machine_with_its_part_of_the_rate() -> None:
    made = config(addresses=["127.98.0.1:20870", "127.98.1.1:20870"], per_minute=60.0)
    validate(made)
    zone = made.parsed_zone()
    log: list[CanaryLookup] = []
    machines = build_canaries(made, overlays.load("mainline"), zone, 7, log.append)
    assert [plan.crawler for plan in canary_plans(made)] == [(0x7F620001, 20870), (0x7F620101, 20870)]
    assert len(machines) == 2

    machine = machines[0]
    assert machine.start(0) == []
    now_ns = machine.due(0)
    (query,) = machine.tick(now_ns)
    assert (query.local, query.ip, query.port) == (0, 0x7F0A0101, 6881)
    asked = bencode.decode(query.payload)
    arguments = asked[b"a"]
    assert isinstance(arguments, dict)
    assert (asked[b"q"], asked[b"ro"]) == (b"get_peers", 1)
    assert zone.contains(arguments[b"info_hash"])
    assert not zone.contains(arguments[b"id"])

    reply = bencode.encode({b"r": {b"id": b"\x77" * 20, b"nodes": b""}, b"t": asked[b"t"], b"y": b"r"})
    assert machine.feed(now_ns + 1, DatagramBatch.of([(now_ns + 1, 0, 0x7F0A0101, 6881, reply)])) == []
    assert [(one.key, one.asked) for one in log] == [(arguments[b"info_hash"].hex(), [(0x7F0A0101, 6881, now_ns)])]
