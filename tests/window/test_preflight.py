"""The preflight's verdicts on made-up hosts."""

from dataclasses import replace

import pytest

from montra.endpoint.host import HostFacts
from montra.window.config import Config, parse
from montra.window.kernel import Check
from montra.window.preflight import preflight

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
    assert found["capacity"].finding == "8192 monitors at most (8192 addresses x 1 ports)"
    assert found["ports"].finding == "1 ports, 23081-23081, lent to no other program"
    assert found["rates"].finding == (
        "8192 monitors: attached in 1 min, then 23 keep-alives a second, of 300 that [limits] leave them"
    )
    assert "32 /24s" in found["address spread"].finding


def test_few_subnets_are_said_with_what_they_cost() -> None:
    found = checks(addresses={**LAB["addresses"], "monitors": ["127.146.1.0/24"]})
    assert found["address spread"].level == "warn"
    assert "right for 22% of lookups or more" in found["address spread"].finding


def test_a_thin_fleet_needs_fewer_monitors() -> None:
    public = {"bootstrap": ["8.8.8.8:6881"]}
    all_of_them = checks(**public)["capacity"]
    assert all_of_them.level == "warn"
    assert all_of_them.finding.startswith("about 156250 nodes in the zone, 8192 monitors at most")
    thin = checks(**public, monitors={"every": 8, "max_monitors": 65_536})["capacity"]
    assert thin.finding.startswith(
        "about 156250 nodes in the zone, 35511 of them to be monitored (monitors.every = 8), 8192 monitors at most"
    )


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
    found = checks(facts, bootstrap=["8.8.8.8:6881"])["conntrack"]
    assert "5 of 1000 entries used" in found.finding
    assert "about 122880 in a busy zone" in found.finding
    assert "udp dport 23081-23081 notrack" in found.remedy
    assert found.remedy.endswith("raise net.netfilter.nf_conntrack_max to 122885")
    roomy = replace(HOST, conntrack=(5, 122885))
    assert checks(roomy, bootstrap=["8.8.8.8:6881"])["conntrack"].level == "ok"


def test_ports_that_the_kernel_lends_to_others() -> None:
    addresses = {**LAB["addresses"], "ports": "32760-32779"}
    facts = replace(HOST, ephemeral_ports=(32768, 60999))
    found = checks(facts, addresses=addresses)["ports"]
    assert found.level == "warn"
    assert found.finding.startswith("12 of the monitors' ports 32760-32779")
    assert found.remedy.endswith("net.ipv4.ip_local_reserved_ports=32768-32779")
    assert checks(replace(facts, reserved_ports=((32000, 32778),)), addresses=addresses)["ports"].level == "warn"
    assert checks(replace(facts, reserved_ports=((32000, 33000),)), addresses=addresses)["ports"].level == "ok"
    assert checks(facts)["ports"].level == "ok"


def test_buffers_of_all_sockets_against_what_udp_may_hold() -> None:
    addresses = {**LAB["addresses"], "ports": "23081-23180", "monitors": ["127.146.1.1"], "receive_buffer": "4MiB"}
    found = checks(replace(HOST, udp_memory=256 << 20), addresses=addresses)["UDP memory"]
    assert found.level == "warn"
    assert "101 sockets of 4194304 bytes" in found.finding
    assert 'net.ipv4.udp_mem="51712 77568 103424"' in found.remedy
    assert "UDP memory" not in checks(replace(HOST, udp_memory=512 << 20), addresses=addresses)


def test_a_backlog_for_what_a_busy_zone_sends() -> None:
    assert "backlog" not in checks(replace(HOST, backlog=1000))
    addresses = {**LAB["addresses"], "monitors": ["127.146.0.0/16"], "ports": "23081-23082"}
    found = checks(replace(HOST, backlog=1000), addresses=addresses, monitors={"max_monitors": 131_072})["backlog"]
    assert found.level == "warn"
    assert found.remedy == "sysctl -w net.core.netdev_max_backlog=1311"


def test_addresses_are_not_proved_where_any_may_be_bound() -> None:
    assert checks(replace(HOST, nonlocal_bind=True))["address check"].level == "warn"
    assert "address check" not in checks()


def test_keep_alives_that_the_limits_would_hold_up() -> None:
    addresses = {**LAB["addresses"], "monitors": ["127.146.0.0/16"], "ports": "23081-23082"}
    found = checks(addresses=addresses, monitors={"max_monitors": 131_072})["rates"]
    assert found.level == "warn"
    assert "364 keep-alives a second, of 300" in found.finding
    assert found.remedy == "raise limits.total to 2427 a second"


KAD = {
    "overlay": "kad",
    "zone": "a4/6",
    "bootstrap": ["100.64.1.1:4672/" + "a4" * 16],
    "addresses": {"crawler": "100.120.0.1:4600", "monitors": ["100.96.0.0/22"], "ports": "4672-4675"},
    "storage": {"min_free": "1MB"},
}


def kad(**change: object) -> dict[str, Check]:
    document = {**KAD, **change}
    return {check.name: check for check in preflight(parse(document), HOST)}


def test_on_kad_an_ip_holds_one_monitor_whatever_the_ports() -> None:
    found = kad()
    assert found["capacity"].finding == "1024 monitors at most (1024 addresses, 1 for each IP, whatever the ports)"
    spread = found["address spread"]
    assert (spread.level, spread.remedy) == ("warn", "use addresses in 16 or more /24s")
    assert spread.finding == (
        "1024 monitors on 1024 IPs in 4 /24s: clients hold one contact of an IP and 10 of a /24 at most, "
        "a lookup takes 2 of a /24"
    )
    assert "address kind" not in found
    assert "keep-alives a second" in found["rates"].finding


def test_on_the_public_kad_network_the_addresses_are_compared_with_its_nodes() -> None:
    found = kad(bootstrap=["8.8.8.8:4672/" + "a4" * 16])["capacity"]
    assert found.level == "warn"
    assert found.finding.startswith("about 4688 nodes in the zone, 1024 monitors at most")
    assert found.remedy == "take a longer prefix, more addresses, or raise monitors.max_monitors or monitors.every"


def test_addresses_that_kads_clients_take_for_none_are_refused() -> None:
    for addresses in (
        {**KAD["addresses"], "monitors": ["100.96.0.0/24", "198.18.0.0/24"]},
        {**KAD["addresses"], "crawler": "198.19.0.1:4600"},
    ):
        found = kad(addresses=addresses)["address kind"]
        assert found.level == "refuse"
        assert found.finding == "clients of kad take no contacts in 198.18.0.0/15"
    assert "address kind" not in checks()


def test_on_the_public_kad_network_questions_keep_the_pace_of_clients() -> None:
    public = {"bootstrap": ["8.8.8.8:4672/" + "a4" * 16]}
    assert "pace" not in kad(**public)
    assert "pace" not in kad(crawl={"spacing_s": 1.0})
    found = kad(**public, crawl={"spacing_s": 1.0})["pace"]
    assert (found.level, found.remedy) == ("warn", "set crawl.spacing_s = 6.5")
