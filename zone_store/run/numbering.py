"""Attachments numbered anew where several stores become one, and captures that follow them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from zone_store.captures import Captures
from zone_store.run.folder import RunError
from zone_store.run.reader import RunReader
from zone_store.run.writer import RunWriter


@dataclass(frozen=True, slots=True)
class Numbering:
    """The attachments of one source: `old` uint32[n], its own numbers, rising; those in the joint store follow `after`.

    source: its folder.
    """

    source: Path
    old: NDArray[np.uint32]
    after: int

    def __len__(self) -> int:
        return len(self.old)

    def apply(self, captures: Captures) -> Captures:
        """Return captures of the source with their new numbers; raises RunError for one of an unknown attachment."""
        place = np.searchsorted(self.old, captures.attachment)
        known = place < len(self.old)
        known[known] = self.old[place[known]] == captures.attachment[known]
        if not bool(known.all()):
            raise RunError(f"{self.source} has captures of attachments it does not store: verify it")
        return replace(captures, attachment=(place + (self.after + 1)).astype(np.uint32))


def write_attachments(reader: RunReader, writer: RunWriter, after: int) -> Numbering:
    """Write the attachments of a source, numbered from `after` + 1 on; returns the numbering. Raises RunError."""
    source = reader.attachments()
    for number, attachment in enumerate(source, after + 1):
        writer.attachment(replace(attachment, number=number))
    return Numbering(reader.folder, np.array([attachment.number for attachment in source], np.uint32), after)
