"""Clients by version, and names fit to be shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from analysis.network.clients import ClientCounter, hex_version, plain_name
from analysis.traffic.rates import masks
from zone_store.run.reader import RunReader

from ..samples import EVIL, LT


def clients_of(folder: Path, names: dict[int, str]) -> tuple[list[tuple[object, ...]], int]:
    counter = ClientCounter()
    with RunReader(folder) as reader:
        for table in reader.lookups():
            counter.add(table, masks(table))
    found, requesters = counter.result(lambda version: names.get(version, hex_version(version)))
    return [(c.name, c.lookups, c.announces, c.requesters, c.share) for c in found], requesters


def test_clients_of_the_sample(sample_run: Path) -> None:
    assert clients_of(sample_run, {LT: "libtorrent"}) == (
        [("libtorrent", 3, 1, 2, 0.6), ("3c623e22", 2, 0, 1, 0.4)],
        3,
    )


def test_versions_of_one_name_are_one_client(sample_run: Path) -> None:
    assert clients_of(sample_run, {LT: "x", EVIL: "x"}) == ([("x", 5, 1, 3, 1.0)], 3)


def test_nobody_is_no_client(empty_run: Path) -> None:
    assert clients_of(empty_run, {}) == ([], 0)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("libtorrent 2.1", "libtorrent 2.1"),
        ("µTorrent", "µTorrent"),
        ("a\x00b\x1b[31m\nc", "a?b?[31m?c"),
        ("\u202eevil\u2028", "?evil?"),
        ("x" * 41, "x" * 39 + "…"),
    ],
)
def test_names_are_shown_plain(name: str, shown: str) -> None:
    assert plain_name(name) == shown


def test_hex_version() -> None:
    assert (hex_version(0), hex_version(LT)) == ("none", "4c540210")
