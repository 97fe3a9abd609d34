"""The sample runs give the tables that they always gave."""

from pathlib import Path

import pytest

from zone_store.run.verify import verify

from .compare import GOLDEN, SAMPLES, analysed, differences


def test_there_is_a_run_of_each_overlay() -> None:
    assert [sample.name.split("_")[1] for sample in SAMPLES] == ["mainline", "kad"]
    assert all(verify(sample).ok for sample in SAMPLES)


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
def test_the_tables_of_a_sample_are_the_golden_ones(sample: Path, tmp_path: Path) -> None:
    tables = analysed(sample, tmp_path)
    golden = sorted((GOLDEN / sample.name).glob("*.csv"))
    assert [table.name for table in golden] == sorted(table.name for table in tables.glob("*.csv"))
    differing = [line for table in golden for line in differences(table, tables / table.name)]
    assert not differing, "\n".join(differing[:20])


def test_a_table_that_differs_is_told(tmp_path: Path) -> None:
    one, other = tmp_path / "a.csv", tmp_path / "b.csv"
    one.write_text("name,n\nx,1.0\ny,\n")
    other.write_text("name,n\nx,1.00000000001\ny,\n")
    assert differences(one, other) == []
    other.write_text("name,n\nx,1.001\nz,\n")
    assert differences(one, other) == ["a.csv, row 1, n: '1.001', not '1.0'", "a.csv, row 2, name: 'z', not 'y'"]
