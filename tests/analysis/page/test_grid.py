"""Tables on the page."""

from __future__ import annotations

import base64

import numpy as np
import pytest

from analysis.page.grid import MOST_LINKED, Cell, csv_link, grid
from analysis.table import Column, Table

from .pages import table


def one(*columns: Column) -> Table:
    return Table("t", "T", "rows", "math.fsum", (), columns)


def test_bounds_stand_in_the_cells_of_their_number() -> None:
    found = grid(table(), rows=2)
    assert [head.words for head in found.heads] == ["key", "lookups", "rate", "requesters"]
    assert [head.unit for head in found.heads] == ["", "", "a minute", ""]
    assert [head.numeric for head in found.heads] == [False, True, True, True]
    assert found.rows[0] == [
        Cell("a40000000000…", whole="a400" + "00" * 18),
        Cell("37,020"),
        Cell("4.3", "3.8 to 5.0"),
        Cell("33"),
    ]
    assert (len(found.rows), found.total) == (2, 30)


def test_bounds_called_low_and_high_are_of_the_column_before_them() -> None:
    share, low, high = np.array([0.5]), np.array([0.4]), np.array([0.6])
    columns = (Column("share", share, "share", ""), Column("low", low, "share", ""), Column("high", high, "share", ""))
    assert grid(one(*columns)).rows == [[Cell("50 %", "40 to 60 %")]]


def test_columns_are_chosen_and_keep_their_bounds() -> None:
    found = grid(table(), rows=1, columns=["requesters", "rate"])
    assert found.rows == [[Cell("33"), Cell("4.3", "3.8 to 5.0")]]
    with pytest.raises(KeyError):
        grid(table(), columns=["nothing"])


def test_overlays_are_names_and_a_unit_is_said_once() -> None:
    found = grid(one(Column("overlay", ["kad"], "", ""), Column("per_minute", np.array([2]), "a minute", "")))
    assert found.rows == [[Cell("Kad"), Cell("2")]]
    assert [head.unit for head in found.heads] == ["", ""]


def test_a_number_that_is_not_told_is_an_empty_cell() -> None:
    value = np.array([np.nan, 2.0])
    found = grid(one(Column("x", value, "", ""), Column("x_low", value, "", ""), Column("x_high", value, "", "")))
    assert [row[0].text for row in found.rows] == ["", "2"]


def test_a_column_that_says_nothing_is_left_out() -> None:
    untold = Column("corrected", np.full(2, np.nan), "", "")
    found = grid(one(Column("name", ["", ""], "", ""), Column("n", np.array([1, 2]), "", ""), untold))
    assert [head.words for head in found.heads] == ["n"]


def test_identifiers_in_bytes_and_times_are_said() -> None:
    ids = np.arange(20, dtype=np.uint8)[None]
    found = grid(one(Column("key", ids, "", ""), Column("begin_ns", np.array([0]), "ns", "")))
    assert found.rows == [[Cell("000102030405…", whole=bytes(range(20)).hex()), Cell("")]]
    assert found.heads[1].unit == "UTC"


def test_a_table_is_carried_as_csv_unless_it_is_large() -> None:
    link = csv_link(one(Column("n", np.array([1, 2]), "", "")))
    head, _, data = link.partition(",")
    assert head == "data:text/csv;base64"
    assert base64.b64decode(data) == b"n\n1\n2\n"
    assert csv_link(one(Column("n", np.arange(MOST_LINKED), "", ""))) == ""
