"""The preflight's verdicts on made-up hosts."""

from dataclasses import replace

import pytest

from montra.endpoint.host import HostFacts
from montra.window.config import Config, parse
from montra.window.preflight import Check, preflight

HOST = HostFacts(20_000, 20_000, 4 << 20, 0, None, True, 16 << 30, 12 << 30)
LAB = {
    "zone": "a4/6",
    "bootstrap": ["127.10.1.1:6881"],
    "addresses": {"crawler": "127.145.0.1:23080", "monitors": ["127.146.0.0/19"], "ports": "23081"},
    "storage": {"min_free": "1MB"},
}


def checks(facts: HostFacts = HOST, **change: object) -> dict[str, Check]:
    config: Config = parse({**LAB, **change})
    return {check.name: check for check in preflight(config, facts)}


def test_a_host_that_holds_the_run() -> None:
    found = checks()
    assert {check.level for check in found.values()} == {"ok"}
    assert found["capacity"].finding == "8192 monitors at most"
    assert "32 /24s" in found["address spread"].finding


def test_few_subnets_are_said_with_what_they_cost() -> None:
    found = checks(addresses={**LAB["addresses"], "monitors": ["127.146.1.0/24"]})
    assert found["address spread"].level == "warn"
    assert "22% to 30%" in found["address spread"].finding


def test_too_few_files_with_a_socket_for_each_monitor() -> None:
    found = checks(replace(HOST, open_files_hard=1000), addresses={**LAB["addresses"], "bind": "each"})
    assert found["files"].level == "refuse"
    assert 'bind = "shared"' in found["files"].remedy


def test_too_little_memory() -> None:
    found = checks(replace(HOST, memory_available=64 << 20))
    assert found["memory"].level == "refuse"


def test_buffers_that_together_exceed_what_the_kernel_has() -> None:
    addresses = {**LAB["addresses"], "monitors": ["127.146.1.1"], "ports": "23081-23180", "receive_buffer": "1GiB"}
    assert checks(addresses=addresses)["receive buffer"].level == "warn"


@pytest.mark.parametrize(("synchronised", "level"), [(False, "warn"), (True, "ok"), (None, "ok")])
def test_a_public_run_wants_a_synchronised_clock(synchronised: bool | None, level: str) -> None:
    found = checks(replace(HOST, clock_synchronised=synchronised), bootstrap=["8.8.8.8:6881"])
    assert found["clock"].level == level


def test_a_public_run_from_private_addresses_is_refused() -> None:
    found = checks(bootstrap=["8.8.8.8:6881"])
    assert found["reachability"].level == "refuse"
    assert "127.145.0.1" in found["reachability"].finding
    assert found["contact"].level == "warn"
    assert found["blocklist"].level == "warn"
    assert found["capacity"].level == "warn"


def test_conntrack_matters_on_the_public_network_only() -> None:
    facts = replace(HOST, conntrack=(5, 1000))
    assert "conntrack" not in checks(facts)
    assert checks(facts, bootstrap=["8.8.8.8:6881"])["conntrack"].level == "warn"
