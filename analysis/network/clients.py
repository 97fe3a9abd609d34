"""Which client programs ask, by the version field of their queries."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from analysis.network.shares import Shares, shares_of
from analysis.quantity import Quantity, made_by
from analysis.table import Column, Table

if TYPE_CHECKING:
    from analysis.engine.database import Database

VersionName = Callable[[int], str]
_LONGEST_NAME = 40

MOST_CLIENTS = 1000
"""Names kept: versions are chosen by strangers, and a hostile one may use millions. The others are one row."""

OTHERS = "(others)"

_VERSIONS = "SELECT DISTINCT version FROM users WHERE what <> 'node_lookup' AND what <> 'other' ORDER BY version"
_ASKED = """
    CREATE TEMP TABLE asked AS
    SELECT names.number AS number, requester, requester_ip,
        count(*) FILTER (what <> 'announce') AS lookups, count(*) FILTER (what = 'announce') AS announces
    FROM users JOIN names USING (version)
    WHERE what <> 'node_lookup' AND what <> 'other' GROUP BY ALL
"""
_BY_NAME = """
    SELECT number, CAST(sum(lookups) AS BIGINT) AS lookups, CAST(sum(announces) AS BIGINT) AS announces,
        count(*) AS requesters FROM asked GROUP BY number ORDER BY number
"""
_ADDRESSES = """
    SELECT number, count(*) AS addresses FROM (SELECT DISTINCT number, requester_ip FROM asked)
    GROUP BY number ORDER BY number
"""


@dataclass(frozen=True, slots=True)
class Client:
    """One client: users' lookups and announces under its name, and distinct requesters (address, port) and addresses.

    share: of all users' lookups. A requester that shows two names counts in both.
    """

    name: str
    lookups: int
    announces: int
    requesters: int
    addresses: int
    share: float


@dataclass(frozen=True, slots=True)
class Askers:
    """Who asked: clients, most lookups first; requesters, addresses: distinct ones over all clients."""

    clients: list[Client]
    requesters: int
    addresses: int

    def by_requesters(self) -> Shares:
        """Return each client's share of the requesters, as a sample of all that ask."""
        return shares_of([one.requesters for one in self.clients], self.requesters)

    def by_addresses(self) -> Shares:
        """Return each client's share of the addresses that ask (thesis, Table III: unique IPs)."""
        return shares_of([one.addresses for one in self.clients], self.addresses)

    def quantities(self) -> list[Quantity]:
        """Return the numbers."""
        counted = (
            ("requesters", self.requesters, "requesters", "distinct (address, port) of users' lookups and announces"),
            ("requester_addresses", self.addresses, "addresses", "distinct IP addresses that these came from"),
        )
        function = made_by(askers_of)
        return [Quantity(name, n, unit, meaning, function, ("lookups",)) for name, n, unit, meaning in counted]

    def table(self) -> Table:
        """Return the clients as a table."""
        clients = self.clients
        by_requesters, by_addresses = self.by_requesters(), self.by_addresses()
        bounds = "95 % bound of the share among all in the network that ask (exact binomial, Clopper and Pearson 1934)"
        return Table(
            "clients",
            "Clients that ask",
            "one client by the version that its queries carry; versions can be left out and forged",
            made_by(askers_of),
            ("lookups",),
            (
                Column("client", [one.name for one in clients], "", "its name, by the overlay's reading of versions"),
                Column("lookups", np.array([one.lookups for one in clients], np.int64), "lookups", "users' lookups"),
                Column("share", np.array([one.share for one in clients]), "share", "of all users' lookups"),
                Column("announces", np.array([one.announces for one in clients], np.int64), "announces", "announces"),
                Column("requesters", np.array([one.requesters for one in clients], np.int64), "requesters",
                       "distinct (address, port); one that shows two names counts in both"),
                Column("requester_share", by_requesters.share, "share", "of all requesters"),
                Column("requester_share_low", by_requesters.low, "share", bounds),
                Column("requester_share_high", by_requesters.high, "share", bounds),
                Column("addresses", np.array([one.addresses for one in clients], np.int64), "addresses",
                       "distinct IP addresses (thesis, Table III)"),
                Column("address_share", by_addresses.share, "share", "of all addresses"),
                Column("address_share_low", by_addresses.low, "share", bounds),
                Column("address_share_high", by_addresses.high, "share", bounds),
            ),
            people="requesters",
        )  # fmt: skip


def hex_version(version: int) -> str:
    """Name a version column value by its bytes: what is shown when no overlay names it."""
    return f"{version:08x}" if version else "none"


def plain_name(name: str) -> str:
    """Return a name fit to be shown: printable, on one line, of bounded length. What clients send is hostile input."""
    shown = "".join(c if unicodedata.category(c)[0] not in "CZ" or c == " " else "?" for c in name)
    return shown if len(shown) <= _LONGEST_NAME else shown[: _LONGEST_NAME - 1] + "…"


def askers_of(db: Database, version_name: VersionName) -> Askers:
    """Return who asked; versions with one name are one client, beyond `MOST_CLIENTS` names all others are one.

    Only users' lookups and announces count.
    """
    versions = db.arrays(_VERSIONS)["version"]
    names = [plain_name(version_name(version)) for version in versions.tolist()]
    distinct = sorted(set(names))
    place = {name: i for i, name in enumerate(distinct)}
    numbers = np.array([place[name] for name in names], np.int64)
    db.register("names", pa.table({"version": versions, "number": numbers}))
    db.execute(_ASKED)
    found, at = db.arrays(_BY_NAME), db.arrays(_ADDRESSES)
    requesters = int(db.one("SELECT count(DISTINCT requester) FROM asked"))
    addresses = int(db.one("SELECT count(DISTINCT requester_ip) FROM asked"))
    db.execute("DROP TABLE asked")
    total = max(1, int(found["lookups"].sum()))
    clients = [
        Client(distinct[number], lookups, announces, asking, ips, lookups / total)
        for number, lookups, announces, asking, ips in zip(
            *(found[name].tolist() for name in ("number", "lookups", "announces", "requesters")),
            at["addresses"].tolist(),
            strict=True,
        )
    ]
    return Askers(_most(sorted(clients, key=lambda one: (-one.lookups, one.name))), requesters, addresses)


def _most(clients: list[Client]) -> list[Client]:
    rest = clients[MOST_CLIENTS:]
    if not rest:
        return clients
    others = Client(
        OTHERS,
        sum(one.lookups for one in rest),
        sum(one.announces for one in rest),
        sum(one.requesters for one in rest),
        sum(one.addresses for one in rest),
        sum(one.share for one in rest),
    )
    return [*clients[:MOST_CLIENTS], others]
