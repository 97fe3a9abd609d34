"""Where requesters are, by the places that their lookups carry."""

from __future__ import annotations

import numpy as np

from analysis.contents.origins import origins_of
from analysis.engine.database import Database
from analysis.privacy.suppress import suppress
from zone_store.captures import Maintenance

from ..lookups import table


def row(address: int, country: str, number: int, **more: object) -> dict[str, object]:
    return {"requester_ip": address, "country": country, "as_number": number, **more}


ROWS = [
    row(1, "DE", 100),
    row(1, "DE", 100, what="announce"),
    row(2, "DE", 100),
    row(3, "DE", 200),
    row(4, "NL", 300),
    row(5, "", 0),
    row(6, "NL", 300, what="node_lookup"),
    row(7, "NL", 300, maintenance=int(Maintenance.BOOTSTRAP)),
]


def test_requesters_by_country_and_network() -> None:
    with Database.of(table(ROWS)) as db:
        found = origins_of(db)
    places, countries = found.tables()
    assert (places.people, countries.people) == ("addresses", "addresses")
    assert places.column("country") == ["DE", "", "DE", "NL"]
    assert np.asarray(places.column("as_number")).tolist() == [100, 0, 200, 300]
    assert np.asarray(places.column("addresses")).tolist() == [2, 1, 1, 1]
    assert np.asarray(places.column("requests")).tolist() == [3, 1, 1, 1]
    assert countries.column("country") == ["DE", "", "NL"]
    assert np.asarray(countries.column("addresses")).tolist() == [3, 1, 1]
    assert np.asarray(countries.column("requests")).tolist() == [4, 1, 1]
    assert suppress(countries, 2).column("country") == ["DE"]
    numbers = {one.name: one.value for one in found.quantities()}
    assert numbers == {"addresses": 5, "placed_share": 0.8}


def test_where_the_database_knows_nobody_there_is_nothing_to_tell() -> None:
    with Database.of(table([row(1, "", 0), row(2, "", 0)])) as db:
        found = origins_of(db)
    assert not found.told
    assert [len(one) for one in found.tables()] == [0, 0]
    (share,) = found.quantities()
    assert (share.told, share.withheld) == (False, "no database of places was given, or it knew no address")
