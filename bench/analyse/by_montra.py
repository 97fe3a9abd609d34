"""One process: attribute a run, analyse it and write its report; prints what it took as JSON."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from bench.attribute.measure import Stopwatch
from montra.window.analyze import attribute_run, report_runs


def main() -> None:
    """Make the report of the run of the first argument."""
    folder = Path(sys.argv[1])
    watch = Stopwatch()
    rows = attribute_run(folder).rows
    attributed = watch.read()
    page = report_runs([folder])
    took = watch.read()
    summary = json.loads((folder / "analysis" / "analysis.json").read_bytes())
    told = {name: summary["quantities"][f"traffic.{name}"]["value"] for name in ("lookups", "keys")}
    print(
        json.dumps(
            {
                **took,
                "attribution (s)": attributed["wall (s)"],
                "analysis and report (s)": took["wall (s)"] - attributed["wall (s)"],
                "rows": rows,
                "page (bytes)": page.stat().st_size,
                **told,
            }
        )
    )


if __name__ == "__main__":
    main()
