"""Where requesters are: users' lookups and announces by country and AS, of the databases that the user gave."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.engine.database import Database
from analysis.quantity import Quantity, made_by
from analysis.table import Column, Table

_INPUTS = ("lookups",)


@dataclass(frozen=True, slots=True)
class Origins:
    """Places of requesters, most addresses first; all empty where no database told of any.

    country: ISO codes, "" unknown; as_number, addresses (distinct ones), requests (lookups and announces) int64[n]:
    one for each (country, AS).
    """

    country: tuple[str, ...]
    as_number: NDArray[np.int64]
    addresses: NDArray[np.int64]
    requests: NDArray[np.int64]

    @property
    def told(self) -> bool:
        """Tell whether a database told of any address."""
        return bool(self.country)

    def quantities(self) -> list[Quantity]:
        """Return how many addresses there were, and of how many the place is known."""
        function = made_by(origins_of)
        meaning = "of the addresses of requesters, those whose country the databases know"
        if not self.told:
            withheld = "no database of places was given, or it knew no address"
            return [Quantity("placed_share", math.nan, "share", meaning, function, _INPUTS, withheld=withheld)]
        everyone = int(self.addresses.sum())
        known = sum(n for n, country in zip(self.addresses.tolist(), self.country, strict=True) if country)
        return [
            Quantity("addresses", everyone, "addresses", "distinct addresses of requesters", function, _INPUTS),
            Quantity("placed_share", known / everyone, "share", meaning, function, _INPUTS),
        ]

    def tables(self) -> list[Table]:
        """Return requesters by (country, AS), and by country."""
        place = (
            Column("country", list(self.country), "", "ISO 3166 code of the country, empty if unknown"),
            Column("as_number", self.as_number, "", "number of the autonomous system, 0 if unknown"),
        )
        names, where = np.unique(np.array(self.country, np.str_), return_inverse=True)
        addresses, requests = (np.zeros(len(names), np.int64) for _ in range(2))
        np.add.at(addresses, where, self.addresses)
        np.add.at(requests, where, self.requests)
        order = np.lexsort((names, -addresses))
        country = (Column("country", names[order].tolist(), "", "ISO 3166 code of the country, empty if unknown"),)
        return [
            self._table("places", "Requesters by country and network", place, self.addresses, self.requests),
            self._table("countries", "Requesters by country", country, addresses[order], requests[order]),
        ]

    def _table(
        self, name: str, title: str, place: tuple[Column, ...], addresses: NDArray[Any], requests: NDArray[Any]
    ) -> Table:
        return Table(
            name,
            title,
            "One place by the user's own databases, most addresses first; an address was placed before it got its "
            "pseudonym.",
            made_by(origins_of),
            _INPUTS,
            (
                *place,
                Column("addresses", addresses, "addresses", "distinct addresses of requesters"),
                Column("requests", requests, "requests", "users' lookups and announces from them"),
            ),
            people="addresses",
        )


def origins_of(db: Database) -> Origins:
    """Return the places of users' requests; node lookups are left out, since nodes and not people send most of them."""
    # Grouped twice, because groups can go to disk and sets of addresses cannot.
    found = db.arrays(
        "SELECT country, as_number::BIGINT AS as_number, count(*) AS addresses, sum(requests)::BIGINT AS requests FROM "
        "(SELECT country, as_number, requester_ip, count(*) AS requests FROM users "
        "WHERE what IN ('lookup', 'search', 'publish', 'announce') GROUP BY country, as_number, requester_ip) "
        "GROUP BY country, as_number ORDER BY addresses DESC, country, as_number"
    )
    known = (found["country"] != "") | (found["as_number"] > 0)
    if not known.any():
        return unknown()
    return Origins(tuple(found["country"].tolist()), found["as_number"], found["addresses"], found["requests"])


def unknown() -> Origins:
    """Return what is known without a database of places."""
    nothing = np.empty(0, np.int64)
    return Origins((), nothing, nothing, nothing)
