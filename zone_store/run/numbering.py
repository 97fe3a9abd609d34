"""Attachments numbered anew where several stores become one, and captures that follow them."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from zone_store.captures import Captures
from zone_store.contents import Content
from zone_store.run.folder import RunError
from zone_store.run.reader import RunReader
from zone_store.run.writer import RunWriter

#: Contents handed to the writer before it is waited for.
_DRAIN = 1 << 14


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
            raise self._unknown()
        return replace(captures, attachment=(place + (self.after + 1)).astype(np.uint32))

    def apply_content(self, content: Content) -> Content:
        """Return a content of the source with its new number; raises RunError for one of an unknown attachment."""
        place = int(np.searchsorted(self.old, content.attachment))
        if place == len(self.old) or self.old[place] != content.attachment:
            raise self._unknown()
        return replace(content, attachment=place + self.after + 1)

    def _unknown(self) -> RunError:
        return RunError(f"{self.source} has captures of attachments it does not store: verify it")


def write_contents(readers: Sequence[RunReader], numbering: Sequence[Numbering], writer: RunWriter) -> int:
    """Write the contents of all sources, with their new numbers, in order of time; returns how many. RunError."""
    sources = [map(new.apply_content, reader.contents()) for reader, new in zip(readers, numbering, strict=True)]
    count = 0
    for count, content in enumerate(heapq.merge(*sources, key=lambda content: content.time_ns), 1):
        writer.content(content)
        if count % _DRAIN == 0:
            writer.drain()  # the sources wait for the disk: nothing may overflow
    writer.drain()
    return count


def write_attachments(reader: RunReader, writer: RunWriter, after: int) -> Numbering:
    """Write the attachments of a source, numbered from `after` + 1 on; returns the numbering. Raises RunError."""
    source = reader.attachments()
    for number, attachment in enumerate(source, after + 1):
        writer.attachment(replace(attachment, number=number))
    return Numbering(reader.folder, np.array([attachment.number for attachment in source], np.uint32), after)
