"""A data set of two networks: every file told, nobody named, and README's snippets run as they stand."""

from __future__ import annotations

import gzip
import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from analysis.analyze import analyze
from analysis.export.dataset import export
from analysis.over import over
from analysis.result import Analysis
from zone_store.run.folder import RunError

from ..kad_sample import GIVEN_KAD, kad_sample
from ..samples import GIVEN, KEY_A, TARGETS, make_run, sample

MAINLINE, KAD = (f"overlay={name}/zone=a4-6/window=20261121T150000Z" for name in ("mainline", "kad"))
FORMATS = ("parquet", "csv")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Path, Analysis]]:
    """Two runs, analysed so that all is shown."""
    folder = tmp_path_factory.mktemp("runs")
    mainline = make_run(folder / "20261121T150000Z_mainline_a4-6", sample())
    kad = make_run(folder / "20261121T150000Z_kad_a4-6", kad_sample())
    given = {mainline: replace(GIVEN, least_people=1), kad: replace(GIVEN_KAD, least_people=1)}
    return [(run, analyze(run, given=one)) for run, one in given.items()]


@pytest.fixture(scope="module", params=FORMATS)
def dataset(
    request: pytest.FixtureRequest, runs: list[tuple[Path, Analysis]], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    out = tmp_path_factory.mktemp("out") / "deep" / request.param
    exported = export(runs, out, request.param)
    assert exported.lookups == {MAINLINE: 6, KAD: 13}
    assert exported.keys == {MAINLINE: 2, KAD: 2}
    assert [path.name for path in out.parent.iterdir()] == [request.param]
    return out


def tables(dataset: Path) -> dict[str, pd.DataFrame]:
    """Return all tables, by path."""
    found = {}
    for path in sorted(dataset.rglob("*")):
        if path.suffix == ".parquet":
            found[str(path.relative_to(dataset))] = pq.read_table(path, partitioning=None).to_pandas()
        elif path.suffix == ".gz":
            found[str(path.relative_to(dataset))] = pd.read_csv(path, keep_default_na=False)
    return found


def test_runs_are_partitions_of_their_own(dataset: Path) -> None:
    ending = ".parquet" if dataset.name == "parquet" else ".csv.gz"
    for place in (MAINLINE, KAD):
        assert (dataset / f"lookups/{place}/part-00000{ending}").is_file()
        assert (dataset / f"keys/{place}/keys{ending}").is_file()
        assert (dataset / f"targets/{place}/targets{ending}").is_file()
        for name in ("crawls", "ledger", "tables/clients"):
            file = Path(name) / place / f"{Path(name).name}"
            assert (dataset / f"{file}.parquet").is_file()
            assert (dataset / "csv" / f"{file}.csv.gz").is_file()
    keys = tables(dataset)[f"keys/{MAINLINE}/keys{ending}"]
    assert keys[["key", "lookups", "announces", "requesters", "addresses"]].to_numpy().tolist() == [
        [KEY_A.hex(), 4, 1, 3, 2],
        ["a402" + "00" * 18, 1, 0, 1, 1],
    ]
    top = tables(dataset)[f"tables/top_keys/{MAINLINE}/top_keys.parquet"]
    assert top["key"].tolist() == keys["key"].tolist()
    found = tables(dataset)["runs.parquet"].set_index("overlay")
    assert found.loc["mainline", ["lookups", "lookups_without_key", "keys", "keys_left_out", "k"]].tolist() == [
        6,
        0,
        2,
        0,
        1,
    ]
    assert found["pseudonyms"].nunique() == 2


def test_every_file_and_column_is_in_the_dictionary_and_nothing_else(dataset: Path) -> None:
    told = json.loads((dataset / "dictionary.json").read_text())
    patterns = {pattern: table for table in told["tables"] for pattern in table["files"]}
    met: dict[str, set[str]] = {}
    for path, columns in tables(dataset).items():
        pattern = re.sub(r"(overlay|zone|window)=[^/]+", r"\1=*", re.sub(r"part-\d+", "part-*", path))
        met.setdefault(pattern, set()).update(columns)
    told_of = {pattern: {column["name"] for column in table["columns"]} for pattern, table in patterns.items()}
    assert met == told_of
    assert all(column["meaning"] for table in told["tables"] for column in table["columns"])
    text = (dataset / "DICTIONARY.md").read_text()
    assert "Neighbours of a known address" in text
    assert told["hidden"]["does_not_protect"]


def test_nobody_can_be_named_by_any_file(dataset: Path, runs: list[tuple[Path, Analysis]]) -> None:
    addresses = {0x0A000001, 0x0A000003, *range(0x0B000001, 0x0B00000B), 0x7F000001, 0x7F000002}
    requesters = {address << 16 | port for address in addresses for port in (6881, 6882, 4672)}
    ids = [target.hex() for target in TARGETS] + [f"{port:040x}" for port in (6881, 6882)] + [f"{4672:032x}"]
    texts = ["10.0.0.1", "10.0.0.3", "11.0.0.", "127.0.0.", *ids, *(str(one) for one in addresses)]
    keys = [(run / "pseudonyms.key").read_text().strip() for run, _ in runs]
    for path, columns in tables(dataset).items():
        for name, values in columns.items():
            if values.dtype.kind in "iu":
                assert not set(values.tolist()) & (addresses | requesters), (path, name)
        shown = columns.to_csv()
        assert not [text for text in texts + keys if text in shown], path
    for path in (path for path in dataset.rglob("*") if path.suffix in (".md", ".json")):
        assert not [text for text in texts + keys if text in path.read_text()], path.name


def test_requesters_stay_apart_and_their_ports_are_hidden(dataset: Path) -> None:
    found = pd.concat(columns for path, columns in tables(dataset).items() if path.startswith(f"lookups/{MAINLINE}"))
    assert (found["requester"].nunique(), found["requester_ip"].nunique()) == (3, 2)
    assert (found["requester"].to_numpy() >> 16 == found["requester_ip"].to_numpy()).all()
    assert not {6881, 6882} & set((found["requester"] % 65536).tolist())


def test_what_few_share_is_left_out_and_counted(runs: list[tuple[Path, Analysis]], tmp_path: Path) -> None:
    folder, analysis = runs[0]
    shy = replace(analysis, given=replace(analysis.given, least_people=3))
    exported = export([(folder, shy)], tmp_path / "out")
    assert (exported.lookups[MAINLINE], exported.keys[MAINLINE]) == (6, 0)
    lookups = pd.read_parquet(tmp_path / "out" / "lookups")
    assert lookups["key"].isna().all()
    assert set(lookups["client"]) == {""}
    run = pd.read_parquet(tmp_path / "out" / "runs.parquet").iloc[0]
    assert (run["lookups_without_key"], run["keys_left_out"], run["k"]) == (6, 2, 3)
    left_out = pd.read_parquet(tmp_path / "out" / "left_out.parquet").set_index("table")["rows"]
    assert left_out["top_keys"] == 1
    assert set(pd.read_parquet(tmp_path / "out" / "targets")["client"]) == {""}


def test_the_same_analyses_give_the_same_bytes(runs: list[tuple[Path, Analysis]], tmp_path: Path) -> None:
    for name in ("one", "two"):
        export(runs[:1], tmp_path / name, "csv")
    for path in (tmp_path / "one").rglob("*"):
        if path.is_file():
            again = tmp_path / "two" / path.relative_to(tmp_path / "one")
            assert again.read_bytes() == path.read_bytes(), path.name


def snippets(dataset: Path, language: str) -> list[str]:
    found = re.findall(rf"```{language}\n(.*?)```", (dataset / "README.md").read_text(), re.DOTALL)
    assert found
    return found


def test_the_snippet_for_pandas(dataset: Path) -> None:
    for snippet in snippets(dataset, "python"):
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", snippet], cwd=dataset, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        assert KEY_A.hex()[:8] in done.stdout
        assert "publish" in done.stdout


def test_the_snippet_for_duckdb(dataset: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(dataset)
    (snippet,) = snippets(dataset, "sql")
    assert duckdb.connect().execute(snippet).fetchall() == [
        ("kad", "a4-6", "publish", 11, 3),
        ("kad", "a4-6", "search", 2, 2),
        ("mainline", "a4-6", "announce", 1, 1),
        ("mainline", "a4-6", "lookup", 5, 3),
    ]


@pytest.mark.skipif(shutil.which("Rscript") is None, reason="R is not installed")
def test_the_snippet_for_r(dataset: Path, tmp_path: Path) -> None:
    (snippet,) = snippets(dataset, "r")
    (tmp_path / "snippet.R").write_text("options(warn = 2)\n" + snippet)
    done = subprocess.run(
        ["Rscript", "--vanilla", str(tmp_path / "snippet.R")], cwd=dataset, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "'data.frame'" in done.stdout
    assert "mainline" in done.stdout


def test_csv_cells_are_no_formulas(runs: list[tuple[Path, Analysis]], tmp_path: Path) -> None:
    folder, analysis = runs[0]
    evil = replace(analysis, given=replace(analysis.given, version_name=lambda _: "=1+1"))
    export([(folder, evil)], tmp_path / "out", "csv")
    for path in (tmp_path / "out").rglob("*.csv.gz"):
        for line in gzip.decompress(path.read_bytes()).decode().splitlines():
            assert not [cell for cell in line.split(",") if cell.startswith(("=", '"='))], path.name


def test_what_cannot_be_written_leaves_nothing(runs: list[tuple[Path, Analysis]], tmp_path: Path) -> None:
    with pytest.raises(RunError, match=f"several runs would be {MAINLINE}"):
        export([runs[0], runs[0]], tmp_path / "out")
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="cannot write"):
        export(runs, tmp_path / "file" / "out")
    broken = replace(runs[0][1], out=tmp_path / "nowhere")
    with pytest.raises(RunError):
        export([(runs[0][0], broken)], tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_numbers_are_those_of_the_analyses(dataset: Path, runs: list[tuple[Path, Analysis]]) -> None:
    found = pd.read_parquet(dataset / "quantities.parquet").set_index(["overlay", "name"])["value"]
    both = [analysis for _, analysis in runs]
    expected = {analysis.run.manifest.overlay: analysis.quantities() for analysis in both}
    expected[""] = over(both).quantities()
    assert len(found) == sum(map(len, expected.values()))
    for overlay, numbers in expected.items():
        for name, quantity in numbers.items():
            assert np.isclose(found[overlay, name], quantity.value, equal_nan=True)
    names = {path.stem for path in (dataset / "over").iterdir()}
    assert names == {table.name for table in over(both).tables()}


def test_every_table_that_names_keys_clients_or_places_says_whose_they_are(runs: list[tuple[Path, Analysis]]) -> None:
    both = [analysis for _, analysis in runs]
    tables = [table for one in (*both, over(both)) for table in one.tables()]
    named = {table.name for table in tables if {"key", "client", "country"} & {column.name for column in table.columns}}
    assert named >= {"top_keys", "publishers", "clients", "nodes", "countries", "places", "top_contents"}
    assert not [table.name for table in tables if table.name in named and not table.people]
