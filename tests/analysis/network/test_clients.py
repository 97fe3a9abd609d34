"""Clients that ask, by version, and names fit to be shown."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.engine.database import Database
from analysis.network import clients
from analysis.network.clients import OTHERS, Askers, Client, askers_of, hex_version, plain_name

from ..lookups import table
from ..samples import EVIL, LT

ROWS: list[dict[str, object]] = [
    {"version": LT, "requester": 1 << 16 | 1, "requester_ip": 1},
    {"version": LT, "requester": 1 << 16 | 2, "requester_ip": 1},
    {"version": LT, "requester": 1 << 16 | 1, "requester_ip": 1, "what": "search"},
    {"version": LT, "requester": 1 << 16 | 1, "requester_ip": 1, "what": "announce"},
    {"version": EVIL, "requester": 3 << 16 | 1, "requester_ip": 3, "what": "publish"},
    {"version": EVIL, "requester": 1 << 16 | 1, "requester_ip": 1},
    {"version": 7, "requester": 9 << 16, "requester_ip": 9, "what": "node_lookup"},
    {"version": 7, "requester": 9 << 16, "requester_ip": 9, "maintenance": 1},
]


def asked(names: dict[int, str], rows: list[dict[str, object]] = ROWS) -> Askers:
    def name(version: int) -> str:
        return names.get(version, hex_version(version))

    with Database.of(table(rows)) as db:
        return askers_of(db, name)


def shown(found: Askers) -> list[tuple[object, ...]]:
    return [(c.name, c.lookups, c.announces, c.requesters, c.addresses, c.share) for c in found.clients]


def test_users_lookups_and_announces_count() -> None:
    found = asked({LT: "libtorrent"})
    assert shown(found) == [("libtorrent", 3, 1, 2, 1, 0.6), ("3c623e22", 2, 0, 2, 2, 0.4)]
    # One requester shows two names: it counts in both, and once among all.
    assert (found.requesters, found.addresses) == (3, 2)
    columns = found.table()
    assert np.asarray(columns.column("requester_share")) == pytest.approx([2 / 3, 2 / 3])
    assert np.asarray(columns.column("address_share")) == pytest.approx([0.5, 1.0])
    assert columns.people == "requesters"


def test_versions_of_one_name_are_one_client() -> None:
    assert shown(asked({LT: "x", EVIL: "x"})) == [("x", 5, 1, 3, 2, 1.0)]


def test_nobody_is_no_client() -> None:
    found = asked({}, ROWS[6:])
    assert (found.clients, found.requesters, found.addresses) == ([], 0, 0)
    assert len(found.table()) == 0


def test_beyond_so_many_names_all_are_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clients, "MOST_CLIENTS", 2)
    rows: list[dict[str, object]] = [
        {"version": v, "requester": n, "requester_ip": n} for v in range(1, 6) for n in range(v)
    ]
    found = asked({}, rows)
    assert [(c.name, c.lookups) for c in found.clients] == [("00000005", 5), ("00000004", 4), (OTHERS, 6)]
    assert sum(c.share for c in found.clients) == pytest.approx(1)


def test_five_hundred_samples_of_requesters() -> None:
    """Of requesters drawn from known shares the bounds hold the share among all."""
    truth = {"a": 0.55, "b": 0.35, "c": 0.1}
    hits = dict.fromkeys(truth, 0)
    for seed in range(500):
        counts = np.random.default_rng(seed).multinomial(80, list(truth.values())).tolist()
        found = Askers([Client(name, n, 0, n, n, n / 80) for name, n in zip(truth, counts, strict=True)], 80, 80)
        for bounds in (found.by_requesters(), found.by_addresses()):
            assert bounds.share.tolist() == [n / 80 for n in counts]
        for i, name in enumerate(truth):
            hits[name] += bool(bounds.low[i] <= truth[name] <= bounds.high[i])
    assert min(hits.values()) >= 0.93 * 500, hits


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("libtorrent 2.1", "libtorrent 2.1"),
        ("µTorrent", "µTorrent"),
        ("a\x00b\x1b[31m\nc", "a?b?[31m?c"),
        ("\u202eevil\u2028", "?evil?"),
        ("x" * 41, "x" * 39 + "…"),
    ],
)
def test_names_are_shown_plain(name: str, wanted: str) -> None:
    assert plain_name(name) == wanted


def test_hex_version() -> None:
    assert (hex_version(0), hex_version(LT)) == ("none", "4c540210")
