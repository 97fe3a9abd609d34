"""AS and country of addresses, by databases as MaxMind's."""

from __future__ import annotations

from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mmdb_writer import MMDBWriter
from netaddr import IPSet

from analysis.privacy.places import Places
from zone_store.run.folder import RunError

AS = {"10.1.0.0/16": {"autonomous_system_number": 64500}, "10.2.3.0/24": {"autonomous_system_number": 4_200_000_000}}
COUNTRY = {
    "10.0.0.0/9": {"country": {"iso_code": "DE"}, "registered_country": {"iso_code": "FR"}},
    "10.128.0.0/16": {"registered_country": {"iso_code": "nl"}},
    "10.129.0.0/16": {"country": {"iso_code": "=1+1"}},
    "10.130.0.0/16": {"autonomous_system_number": "AS1"},
}


def database(path: Path, networks: dict[str, dict[str, Any]], version: int = 4) -> Path:
    writer = MMDBWriter(version, "Test", languages=["en"], ipv4_compatible=version == 6)
    for network, record in networks.items():
        writer.insert_network(IPSet([network]), record)
    writer.to_db_file(str(path))
    return path


def at(*addresses: str) -> np.ndarray:
    return np.array([int(IPv4Address(address)) for address in addresses], np.uint32)


@pytest.mark.parametrize("version", [4, 6])
def test_as_and_country_by_two_databases(tmp_path: Path, version: int) -> None:
    files = [database(tmp_path / "as", AS, version), database(tmp_path / "country", COUNTRY, version)]
    some = at("10.1.2.3", "10.2.3.255", "10.2.4.0", "10.128.0.1", "10.129.0.1", "10.130.0.1", "192.0.2.1", "10.1.2.3")
    with Places(files) as places:
        for _ in range(2):  # the second time, by what is known
            numbers, countries = places.of(some)
            assert numbers.dtype == np.uint32
            assert numbers.tolist() == [64500, 4_200_000_000, 0, 0, 0, 0, 0, 64500]
            assert countries == ["DE", "DE", "DE", "NL", "", "", "", "DE"]
        assert places.of(at("0.0.0.0", "255.255.255.255"))[1] == ["", ""]


def test_each_network_is_asked_for_once_and_all_of_them_are_right(tmp_path: Path) -> None:
    files = [database(tmp_path / "as", AS), database(tmp_path / "country", COUNTRY)]
    random = np.random.default_rng(0)
    with Places(files) as places:
        for _ in range(20):
            some = (np.uint32(10 << 24) | random.integers(0, 1 << 24, 500, dtype=np.uint32)).astype(np.uint32)
            numbers, countries = places.of(some)
            second = (some >> 16 & 255).tolist()
            assert [number == 64500 for number in numbers.tolist()] == [part == 1 for part in second]
            assert [country == "DE" for country in countries] == [part < 128 for part in second]
        assert len(places._start) < 80


def test_without_a_database_all_is_unknown() -> None:
    numbers, countries = Places([]).of(at("10.1.2.3", "10.1.2.4"))
    assert (numbers.tolist(), countries) == ([0, 0], ["", ""])


def test_files_that_are_no_databases_are_refused(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no database")
    with pytest.raises(RunError, match="text is no database of places"):
        Places([database(tmp_path / "as", AS), tmp_path / "text"])
    with pytest.raises(RunError, match="is no database of places"):
        Places([tmp_path / "none"])
