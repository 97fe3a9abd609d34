"""Tables of an analysis as CSV and Parquet, and its summary as JSON: no addresses, and the same bytes each time."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from analysis.dictionary import DICTIONARY, DICTIONARY_TEXT, LARGE, dictionary_of, in_words
from analysis.privacy.suppress import suppress
from analysis.result import Analysis, without_nan
from analysis.table import Table
from zone_store.run.folder import RunError, write_atomic

SUMMARY = "analysis.json"

_ENDINGS = ("csv", "parquet")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def write_tables(analysis: Analysis) -> None:
    """Write all tables, the summary and the data dictionary into the analysis' folder, small counts suppressed.

    Files that an earlier analysis made and this one does not go. Raises RunError when the disk does not take them.
    """
    tables = [suppress(table, analysis.given.least_people) for table in analysis.tables()]
    write_all(analysis.out, tables)
    write_json(analysis.out / SUMMARY, analysis.as_dict())
    _clear(analysis.out, tables)
    large = [one for one in LARGE if any(analysis.out.glob(one.files))]
    write_dictionary(analysis.out, dictionary_of(tables, analysis.quantities(), analysis.run.name, large))


def write_dictionary(out: Path, told: Mapping[str, Any]) -> None:
    """Write a data dictionary as JSON and as text; raises RunError."""
    write_json(out / DICTIONARY, told)
    write_atomic(out / DICTIONARY_TEXT, in_words(told).encode())


def write_all(out: Path, tables: Iterable[Table]) -> None:
    """Write each table as NAME.csv and NAME.parquet into a folder, made if it is not there; raises RunError."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"cannot write {out}: {error.strerror}") from error
    for table in tables:
        write_atomic(out / f"{table.name}.csv", csv_bytes(table))
        write_atomic(out / f"{table.name}.parquet", parquet_bytes(table))


def write_json(path: Path, plain: Any) -> None:
    """Write plain data as JSON; NaN is null. Raises RunError."""
    text = json.dumps(without_nan(plain), indent=2, allow_nan=False, ensure_ascii=False)
    write_atomic(path, text.encode() + b"\n")


def csv_bytes(table: Table) -> bytes:
    """Return a table as CSV with a header line; NaN is empty, IDs are hex, no cell of text begins like a formula."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([column.name for column in table.columns])
    writer.writerows(zip(*(_cells(column.values) for column in table.columns), strict=True))
    return text.getvalue().encode()


def parquet_bytes(table: Table) -> bytes:
    """Return a table as a Parquet file, whose schema tells units, meanings and what made it."""
    fields, arrays = [], []
    for column in table.columns:
        array = _arrow(column.values)
        said = {"meaning": column.meaning} | ({"unit": column.unit} if column.unit else {})
        fields.append(pa.field(column.name, array.type, metadata=said))
        arrays.append(array)
    about = {"title": table.title, "meaning": table.meaning, "function": table.function}
    schema = pa.schema(fields, metadata=about | {"inputs": " ".join(table.inputs)})
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(arrays, schema=schema), sink, compression="zstd")
    data: bytes = sink.getvalue().to_pybytes()
    return data


def _clear(out: Path, tables: Sequence[Table]) -> None:
    """Remove the tables that the dictionary of an earlier analysis names and that are none now."""
    try:
        before = json.loads((out / DICTIONARY).read_bytes())
        names = {table["name"] for table in before["tables"] if len(table["files"]) == len(_ENDINGS)}
    except FileNotFoundError:
        return
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(f"{out / DICTIONARY} of an earlier analysis cannot be read: {error}") from error
    for name in names - {table.name for table in tables}:
        for ending in _ENDINGS:
            path = out / f"{name}.{ending}"
            if path.parent == out:
                path.unlink(missing_ok=True)


def _cells(values: list[str] | NDArray[Any]) -> list[Any]:
    if not isinstance(values, np.ndarray):
        # Spreadsheets would run such a cell; names of clients are chosen by strangers.
        return [f"'{value}" if value.startswith(_FORMULA) else value for value in values]
    if values.ndim == 2:
        return [row.tobytes().hex() for row in values]
    return ["" if isinstance(value, float) and value != value else value for value in values.tolist()]


def _arrow(values: list[str] | NDArray[Any]) -> pa.Array:
    if isinstance(values, np.ndarray) and values.ndim == 2:
        rows, width = values.shape
        if not rows:
            return pa.array([], pa.binary(width or -1))  # no rows may come without a width
        return pa.Array.from_buffers(pa.binary(width), rows, [None, pa.py_buffer(values.tobytes())])
    return pa.array(values) if isinstance(values, np.ndarray) else pa.array(values, pa.string())
