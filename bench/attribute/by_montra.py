"""One process: attribute a run with so many workers; prints what was found and what it took as JSON."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from bench.attribute.measure import Stopwatch
from bench.attribute.truth import Sum, sum_of
from bench.attribute.window import first_word
from montra.overlays import base as overlays
from zone_store.attribution import attribute_into
from zone_store.run.reader import RunReader


def main() -> None:
    """Attribute the run of the first argument with as many workers as the second says."""
    folder, workers = Path(sys.argv[1]), int(sys.argv[2])
    watch = Stopwatch()
    with RunReader(folder) as reader:
        overlay = overlays.load(reader.manifest.overlay)
        summary = attribute_into(
            folder, reader, span_ns=overlay.lookup_span_ns, refresh_bits=overlay.refresh_bits, workers=workers
        )
    took = watch.read()
    found = Sum()
    with RunReader(folder) as reader:
        for table in reader.lookups():
            columns = (table.time_ns, table.source_ip, table.source_port, table.kind)
            found += sum_of(*columns, first_word(table.key), table.destination, table.packets)
    print(json.dumps({**took, **found.as_dict(), "written": summary.rows}))


if __name__ == "__main__":
    main()
