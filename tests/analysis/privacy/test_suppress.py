"""Rows about few people are left out, and it is said how many."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from analysis.privacy.suppress import suppress
from analysis.table import Column, Table

TABLE = Table(
    "clients",
    "Clients",
    "One client.",
    "here",
    ("lookups",),
    (
        Column("client", ["a", "b", "c"], "", ""),
        Column("key", np.arange(6, dtype=np.uint8).reshape(3, 2), "", ""),
        Column("requesters", np.array([9, 4, 5]), "requesters", ""),
    ),
    people="requesters",
)


def test_rows_of_fewer_than_k_are_left_out_and_counted() -> None:
    found = suppress(TABLE, 5)
    assert found.column("client") == ["a", "c"]
    assert np.asarray(found.column("key")).tolist() == [[0, 1], [4, 5]]
    assert np.asarray(found.column("requesters")).tolist() == [9, 5]
    assert found.meaning == "One client. 1 row of fewer than 5 requesters left out."
    assert suppress(TABLE, 10).meaning == "One client. 3 rows of fewer than 10 requesters left out."
    assert len(suppress(TABLE, 10)) == 0


def test_nothing_is_left_out_for_one_or_without_people() -> None:
    assert suppress(TABLE, 1) is TABLE
    nobody = Table("rates", "Rates", "One minute.", "here", (), TABLE.columns)
    assert suppress(nobody, 100) is nobody


def test_suppressing_twice_says_it_once() -> None:
    once = suppress(TABLE, 5)
    assert suppress(once, 5) is once


def test_a_table_that_names_no_column_of_its_own_is_an_error() -> None:
    with pytest.raises(KeyError):
        suppress(Table("x", "", "", "", (), TABLE.columns, people="nodes"), 5)


def test_a_meaning_is_a_sentence_before_another_follows() -> None:
    assert suppress(replace(TABLE, meaning="one client"), 5).meaning.startswith("one client. 1 row of")
    assert suppress(replace(TABLE, meaning=""), 5).meaning == "1 row of fewer than 5 requesters left out."
