"""The data dictionary: what each table, column and number of an analysis is, made from themselves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from analysis.contents.said import COLUMNS as SAID_COLUMNS
from analysis.contents.said import SAID, write_said
from analysis.contents.told import COLUMNS as CONTENT_COLUMNS
from analysis.contents.told import CONTENTS, make_told
from analysis.engine.columns import KEYS, LOOKUPS, Field
from analysis.engine.keys import make_keys
from analysis.engine.partition import partition
from analysis.quantity import Quantity, made_by
from analysis.table import Column, Table

DICTIONARY, DICTIONARY_TEXT = "dictionary.json", "DICTIONARY.md"


class Large(NamedTuple):
    """A table that is in Parquet only, being too large for memory. files: where it is."""

    name: str
    title: str
    meaning: str
    function: str
    inputs: tuple[str, ...]
    files: str
    columns: Mapping[str, Field]


LARGE = (
    Large(
        "keys",
        "Keys",
        "A row for each key that users' lookups or announces asked for, in order of keys. Nothing is left out: "
        "as private as the run; `montra export` makes what can be given away.",
        made_by(make_keys),
        ("lookups", "contents"),
        "keys.parquet",
        KEYS,
    ),
    Large(
        "lookups",
        "Lookups",
        "A row for each lookup, requesters as pseudonyms, in order of time. Nothing is left out: as private as the "
        "run; `montra export` makes what can be given away.",
        made_by(partition),
        ("lookups",),
        "lookups/part-*.parquet",
        LOOKUPS,
    ),
    Large(
        "contents",
        "What keys are",
        "A row for each key that is told as keyword, file or helper's key, in order of keys, but for those of few "
        "requesters.",
        made_by(make_told),
        ("lookups", "contents"),
        CONTENTS,
        CONTENT_COLUMNS,
    ),
    Large(
        "said",
        "What requesters said",
        "A row for each thing said of a content ID, with addresses and names, since names were asked for.",
        made_by(write_said),
        ("contents",),
        SAID,
        SAID_COLUMNS,
    ),
)
"""What is written of a run beside its tables, the last where names are shown."""


def dictionary_of(
    tables: Iterable[Table], quantities: Mapping[str, Quantity], about: str, large: Iterable[Large] = ()
) -> dict[str, Any]:
    """Return the dictionary as plain data.

    tables: as they were written; quantities: by their names in full, "chapter.name"; about: the run, or what it is all
    about; large: tables beside.
    """
    return {
        "schema": 1,
        "about": about,
        "times": "nanoseconds since 1970-01-01 UTC",
        "intervals": "all bounds are of 95 % intervals",
        "missing": "a number that cannot be told is empty in CSV, NaN in Parquet, null in JSON",
        "tables": [_table(table) for table in tables] + [_large(one) for one in large],
        "quantities": [_quantity(full, one) for full, one in quantities.items()],
    }


def in_words(dictionary: Mapping[str, Any]) -> str:
    """Return the dictionary as a text in Markdown."""
    lines = [
        f"# Data dictionary of {dictionary['about']}",
        "",
        f"Times: {dictionary['times']}. Intervals: {dictionary['intervals']}. Missing: {dictionary['missing']}.",
        "",
    ]
    for table in dictionary["tables"]:
        lines += [f"## {table['name']}", "", f"{table['title']}. {table['meaning']}", ""]
        lines += [
            f"In {', '.join(table['files'])}; made by `{table['function']}` from {', '.join(table['inputs'])}.",
            "",
        ]
        lines += ["| column | type | unit | meaning |", "|---|---|---|---|"]
        lines += [f"| {c['name']} | {c['type']} | {c['unit']} | {_cell(c['meaning'])} |" for c in table["columns"]]
        lines.append("")
    lines += ["## Numbers", "", "The `quantities`.", ""]
    lines += ["| name | unit | meaning | interval | made by | from |", "|---|---|---|---|---|---|"]
    for one in dictionary["quantities"]:
        parts = (one["name"], one["unit"], one["meaning"], one["method"], f"`{one['function']}`")
        lines.append(f"| {' | '.join(_cell(part) for part in parts)} | {', '.join(one['inputs'])} |")
    return "\n".join(lines) + "\n"


def _table(table: Table) -> dict[str, Any]:
    return {
        "name": table.name,
        "title": table.title,
        "meaning": table.meaning,
        "function": table.function,
        "inputs": list(table.inputs),
        "people": table.people,
        "rows": len(table),
        "files": [f"{table.name}.csv", f"{table.name}.parquet"],
        "columns": [
            {"name": column.name, "type": _type(column), "unit": column.unit, "meaning": column.meaning}
            for column in table.columns
        ],
    }


def _large(table: Large) -> dict[str, Any]:
    return {
        "name": table.name,
        "title": table.title,
        "meaning": table.meaning,
        "function": table.function,
        "inputs": list(table.inputs),
        "people": "",
        "files": [table.files],
        "columns": [
            {"name": name, "type": str(field.type), "unit": field.unit, "meaning": field.meaning}
            for name, field in table.columns.items()
        ],
    }


def _quantity(name: str, one: Quantity) -> dict[str, Any]:
    return {
        "name": name,
        "unit": one.unit,
        "meaning": one.meaning,
        "method": one.method,
        "function": one.function,
        "inputs": list(one.inputs),
    }


def _type(column: Column) -> str:
    if not isinstance(column.values, np.ndarray):
        return "string"
    return f"id of {column.values.shape[1]} bytes" if column.values.ndim == 2 else str(column.values.dtype)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
