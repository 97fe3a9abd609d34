import random
from pathlib import Path

import pytest

from montra.overlays.base import load
from montra.window.bootstrap import bootstrap_nodes, resolve
from montra.window.build import build_crawler
from montra.window.config import Config, ConfigError, parse, split_bootstrap, validate

KAD = load("kad")
ID = bytes(range(16))
#: eMule's version 1: 0, 1, count, then ID (words little-endian), IP, UDP and TCP port, version.
NODES_DAT = bytes.fromhex(
    "0000000001000000010000000302010007060504" + "0b0a09080f0e0d0c" + "01024064" + "40123612" + "09"
)


def config(**given: object) -> Config:
    return parse({"overlay": "kad", "zone": "a4/6", "addresses": {"crawler": "127.0.0.1:4672"}, **given})


def test_entries_are_resolved_with_their_ids() -> None:
    found, failed = resolve(["127.0.0.1:4672/" + ID.hex(), "127.0.0.2:4672", "127.0.0.1:4672", "no.invalid:1"])
    assert found == {(0x7F000001, 4672): ID, (0x7F000002, 4672): b""}
    assert failed == ["no.invalid:1"]


def test_a_file_of_nodes_adds_to_the_entries(tmp_path: Path) -> None:
    path = tmp_path / "nodes.dat"
    path.write_bytes(NODES_DAT)
    found, failed = bootstrap_nodes(config(bootstrap=["127.0.0.1:1"], bootstrap_file=str(path)), KAD)
    assert found == {(0x7F000001, 1): b"", (0x64400201, 4672): ID}
    assert failed == []


@pytest.mark.parametrize(("written", "said"), [(None, "No such file"), (b"\x05\0\0\0", "ends before")])
def test_a_file_that_cannot_be_read_is_said_in_one_line(tmp_path: Path, written: bytes | None, said: str) -> None:
    path = tmp_path / "nodes.dat"
    if written is not None:
        path.write_bytes(written)
    with pytest.raises(ConfigError, match=said) as caught:
        bootstrap_nodes(config(bootstrap_file=str(path)), KAD)
    assert len(caught.value.problems) == 1


def test_mainline_has_no_such_file(tmp_path: Path) -> None:
    path = tmp_path / "nodes.dat"
    path.write_bytes(NODES_DAT)
    with pytest.raises(ConfigError, match="mainline has no such file"):
        bootstrap_nodes(Config(bootstrap_file=str(path)), load("mainline"))


def test_the_crawler_asks_a_node_whose_id_is_known_for_contacts_and_others_who_they_are() -> None:
    given = config(bootstrap=["127.0.0.1:4672/" + ID.hex(), "127.0.0.2:4672"])
    crawler = build_crawler(given, KAD, given.parsed_zone(), 1, lambda _ip, _port: False)
    crawler.start(0)
    sent, _ = crawler.tick(0)
    assert {ip: payload[:16] for ip, _, payload in sent} == {0x7F000001: ID, 0x7F000002: bytes(16)}
    assert len(crawler.own_id) == 16


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("127.0.0.1:1/", "as 32 hex digits"),
        ("127.0.0.1:1/00ff", "as 32 hex digits"),
        ("127.0.0.1:1/" + "zz" * 16, "as 32 hex digits"),
        ("127.0.0.1:1/ " + "00" * 16, "as 32 hex digits"),
        ("127.0.0.1/" + "00" * 16, "host:port"),
    ],
)
def test_entries_with_a_broken_id_are_refused(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        split_bootstrap(text, 16)
    with pytest.raises(ConfigError, match=said):
        validate(config(bootstrap=[text]), crawl_only=True)


def test_a_run_needs_entries_or_a_file() -> None:
    with pytest.raises(ConfigError, match="no node to begin the crawl at"):
        validate(config(), crawl_only=True)
    validate(config(bootstrap_file="nodes.dat"), crawl_only=True)
    validate(config(bootstrap=["127.0.0.1:1/" + random.Random(1).randbytes(16).hex()]), crawl_only=True)


def test_there_are_no_canaries_for_kad() -> None:
    given = config(
        bootstrap=["127.0.0.1:1"],
        addresses={"crawler": "127.0.0.1:4672", "monitors": ["127.1.0.0/24"], "ports": "20881"},
        canaries={"addresses": ["127.2.0.1:4672"]},
    )
    with pytest.raises(ConfigError, match=r"canaries\.addresses: there is no canary for kad yet; leave them out"):
        validate(given)
