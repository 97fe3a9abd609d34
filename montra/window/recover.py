"""Seal a run that was cut off: the process was killed, the machine went down."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from montra.window.units import parse_duration
from zone_store.captures import Loss
from zone_store.losses import NOT_RUNNING
from zone_store.run.folder import Manifest
from zone_store.run.reader import RunReader
from zone_store.run.writer import RunWriter

CUT_OFF = "cut_off"
"""Why attachments of such a run ended."""


def seal_cut_off(run: Path) -> Manifest:
    """Seal the run of a process that died, as partial; returns the manifest.

    Open target intervals end with the newest time that the store tells of anything, and the rest of the window as it
    was configured is a gap on the ledger. Raises RunError for a sealed run, for one that a living process still writes,
    and for a damaged one.
    """
    RunWriter.resume(run).close()  # refuses a run that is sealed or being written
    with RunReader(run) as reader:
        manifest, attachments, end_ns = reader.manifest, reader.attachments(), reader.newest_ns()
    planned_ns = manifest.start_ns + int(parse_duration(str(manifest.parameters.get("duration", "1s"))) * 1e9)
    with RunWriter.resume(run) as writer:
        for attachment in attachments:
            if not attachment.lost_ns:
                visible = tuple((min(begin, end or end_ns), end or end_ns) for begin, end in attachment.visible)
                writer.attachment(replace(attachment, visible=visible, lost_ns=end_ns, reason=CUT_OFF))
        if planned_ns > end_ns:
            writer.loss(Loss(NOT_RUNNING, end_ns, planned_ns, 1))
        return writer.seal(max(end_ns, planned_ns), "partial", {NOT_RUNNING: int(planned_ns > end_ns)})
