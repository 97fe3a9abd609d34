"""Who is in the network and what there is to find."""

from pathlib import Path

from Crypto.Hash import MD4

from montra.lab.kad.population import CRAWLER_ADDRESS, monitor_addresses, node_address, populate
from montra.lab.kad.settings import KadLabSettings
from montra.overlays.kad.ids import keyword_id, keywords
from zone_store.keyspace.zone import Zone

ZONE = Zone.parse("a4/8", 128)
SETTINGS = KadLabSettings(out=Path("out"), nodes=40, zone_share=0.75, publishers=(20, 5, 1), words=12)


def test_all_that_is_looked_up_lies_in_the_zone_and_the_share_of_nodes_does() -> None:
    people = populate(SETTINGS)
    assert [ZONE.contains(node.node_id) for node in people.nodes] == [False] * 10 + [True] * 30
    assert len(set(people.words)) == 12
    assert all(ZONE.contains(keyword_id(word)) for word in people.words)
    assert all(ZONE.contains(bytes.fromhex(file.hash)) for file in people.files)


def test_a_file_is_its_content_and_its_name_holds_its_keywords() -> None:
    file = populate(SETTINGS).files[0]
    assert MD4.new(file.content).hexdigest() == file.hash
    assert set(file.words) <= set(keywords(file.name))
    assert file.link == f"ed2k://|file|{file.words[0]}%20{file.words[1]}.bin|{len(file.content)}|{file.hash.upper()}|/"


def test_no_two_files_have_one_name() -> None:
    files = populate(KadLabSettings(out=Path("out"), nodes=4, words=4, publishers=(1,) * 12)).files
    assert len({file.name for file in files}) == 12


def test_files_have_as_many_publishers_as_asked_for() -> None:
    files = populate(SETTINGS).files
    assert [len(set(file.publishers)) for file in files] == [20, 5, 1]
    assert all(0 <= index < 40 for file in files for index in file.publishers)


def test_the_same_seed_gives_the_same_network_and_another_another() -> None:
    assert populate(SETTINGS) == populate(SETTINGS)
    other = KadLabSettings(out=Path("out"), nodes=40, seed=2)
    assert populate(other).nodes[0] != populate(SETTINGS).nodes[0]


def test_nodes_monitors_and_crawler_have_a_subnet_each() -> None:
    addresses = [node_address(index) for index in range(8128)] + monitor_addresses(1000) + [CRAWLER_ADDRESS]
    assert addresses[:2] == ["100.64.1.1", "100.64.2.1"]
    assert addresses[254] == "100.65.1.1"
    assert addresses[8127] == "100.95.254.1"
    assert addresses[8128] == "100.96.1.1"
    assert len({address.rpartition(".")[0] for address in addresses}) == len(addresses)


def test_as_many_nodes_as_asked_for_are_firewalled_and_publish_nothing() -> None:
    people = populate(KadLabSettings(out=Path("out"), nodes=20, publishers=(15, 15), firewalled=5))
    closed = {node.index for node in people.nodes if node.firewalled}
    assert len(closed) == 5
    assert not closed & {index for file in people.files for index in file.publishers}
