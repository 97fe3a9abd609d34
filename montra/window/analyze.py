"""From a run folder to lookups, tables and the report: what `montra analyze` and `montra report` do.

The libraries of the extra `analysis` are imported where they are needed, so that monitoring does without them; where
they are missing the calls raise ImportError.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from montra import __version__
from montra.datagrams import ip_number
from montra.overlays import base as overlays
from montra.overlays.base import Overlay
from montra.validation.canaries import canary_truth
from montra.validation.compare import compare
from montra.window.chances import chances_of
from montra.window.wordlist import read_words
from zone_store.attribution import RULE, LookupSummary, attribute, attribute_into, workers_for
from zone_store.captures import Attachment, Captures, Lookups
from zone_store.keyspace.zone import Zone
from zone_store.run.folder import LookupsMade, Manifest, RunError, read_manifest
from zone_store.run.reader import RunReader

if TYPE_CHECKING:
    from analysis.given import Given
    from analysis.result import Analysis
    from analysis.trust.canaries import Canaries

Republish: TypeAlias = Mapping[str, float]
#: What each overlay's clients are known to do.
AS_CLIENTS_DO: Republish = {}


def overlay_of(manifest: Manifest) -> Overlay:
    """Return the overlay of a run; raises RunError for one that this version does not know."""
    try:
        return overlays.load(manifest.overlay)
    except KeyError:
        raise RunError(f"the run is of overlay {manifest.overlay!r}, which this version does not know") from None


@dataclass(frozen=True, slots=True)
class _OfSources:
    """A reader that shows only what some addresses sent: lookups are of one address each, so those are whole."""

    reader: RunReader
    ips: NDArray[np.uint32]

    @property
    def manifest(self) -> Manifest:
        return self.reader.manifest

    def captures(self) -> Iterator[Captures]:
        return self.reader.captures(keep=lambda block: np.isin(block.source_ip, self.ips))

    def each_attachment(self) -> Iterator[Attachment]:
        return self.reader.each_attachment()


def lookups_from(reader: RunReader, ips: Iterable[int]) -> Iterator[Lookups]:
    """Yield the lookups that these addresses made, of a run that may still be written; raises RunError."""
    overlay = overlay_of(reader.manifest)
    return attribute(
        _OfSources(reader, np.array(sorted(ips), np.uint32)),
        span_ns=overlay.lookup_span_ns,
        refresh_bits=overlay.refresh_bits,
        own_ips=own_ips(reader.manifest.parameters),
        contact_bits=overlay.contact_bits,
        contacts=overlay.contacts_taken,
        chances=chances_of(reader.manifest.parameters, reader.crawls()),
    )


def attribute_run(run: Path, workers: int | None = None) -> LookupSummary:
    """Write the lookups of a run into its folder, in so many processes (None: as many as help); raises RunError."""
    with RunReader(run) as reader:
        overlay = overlay_of(reader.manifest)
        return attribute_into(
            run,
            reader,
            span_ns=overlay.lookup_span_ns,
            refresh_bits=overlay.refresh_bits,
            own_ips=own_ips(reader.manifest.parameters),
            contact_bits=overlay.contact_bits,
            contacts=overlay.contacts_taken,
            chances=chances_of(reader.manifest.parameters, reader.crawls()),
            workers=workers_for(reader.manifest) if workers is None else workers,
        )


@dataclass(frozen=True, slots=True)
class Shown:
    """What of content is shown.

    wordlist: file of words, one a line, to read keywords by; names: whether names and tags of files are shown, and
    addresses of who said them, which are personal data.
    """

    wordlist: Path | None = None
    names: bool = False


#: As little as can be.
NOTHING_MORE = Shown()


@dataclass(frozen=True, slots=True)
class Privacy:
    """How people are kept out of what is made of runs.

    least_people: rows about fewer requesters are left out; key: file of the key of pseudonyms that runs share, None for
    each its own; places: MaxMind files that tell of addresses, before they become pseudonyms, where they are.
    """

    least_people: int = 5
    key: Path | None = None
    places: tuple[Path, ...] = ()


#: A key for each run, and no places.
BY_DEFAULT = Privacy()


def analyze_runs(
    runs: Sequence[Path],
    workers: int | None = None,
    *,
    republish: Republish = AS_CLIENTS_DO,
    shown: Shown = NOTHING_MORE,
    privacy: Privacy = BY_DEFAULT,
) -> list[Analysis]:
    """Attribute runs and write their tables; raises RunError, and ImportError without the extra `analysis`.

    workers: processes to attribute in, and to analyse in, None for as many as help; republish: intervals that differ
    from the overlay's; shown: what of content is shown.
    """
    from analysis.analyze import Job, analyze_all

    for run in runs:
        attribute_run(run, workers)
    return analyze_all([Job(run, given_of(run, republish, shown, privacy)) for run in runs], workers)


def report_runs(
    runs: Sequence[Path],
    out: Path | None = None,
    workers: int | None = None,
    *,
    republish: Republish = AS_CLIENTS_DO,
    shown: Shown = NOTHING_MORE,
    privacy: Privacy = BY_DEFAULT,
) -> Path:
    """Write the report of runs, attributing those that are not yet or were otherwise; raises RunError, ImportError.

    Runs may be of different overlays. workers, republish, shown, privacy: as in `analyze_runs`.
    """
    from analysis.page.report import report

    for run in runs:
        attribute_if_needed(run, workers)
    return report(runs, out, lambda run: given_of(run, republish, shown, privacy), workers)


def attribute_if_needed(run: Path, workers: int | None = None) -> None:
    """Attribute a run that is not yet, may have grown since, or was otherwise; raises RunError."""
    if not _attributed(run, overlay_of(read_manifest(run))):
        attribute_run(run, workers)


def given_of(
    run: Path,
    republish: Republish = AS_CLIENTS_DO,
    shown: Shown = NOTHING_MORE,
    privacy: Privacy = BY_DEFAULT,
) -> Given:
    """Return what the analysis of an attributed run is told; raises RunError, ImportError.

    republish: seconds by what is published; names that the overlay does not know are passed over.
    """
    from analysis.given import Given

    manifest = read_manifest(run)
    overlay = overlay_of(manifest)
    reading = overlay.reading
    zone = Zone.parse(manifest.zone, manifest.id_bits)
    return Given(
        version_name=partial(_version_name, manifest.overlay),
        analysed_by=__version__,
        canaries=canaries_of(run),
        republish_s={name: republish.get(name, seconds) for name, seconds in reading.republish_s.items()},
        tells_clients=reading.tells_clients,
        tells_reach=reading.tells_reach,
        caveats=reading.caveats,
        words={} if shown.wordlist is None else read_words(shown.wordlist, overlay, zone),
        names=shown.names,
        least_people=privacy.least_people,
        pseudonym_key=privacy.key,
        places=privacy.places,
    )


def _version_name(overlay: str, version: int) -> str:
    """Name a version; by the overlay's name, since an overlay itself is no small thing to send to another process."""
    return overlays.load(overlay).version_name(version)


def canaries_of(run: Path) -> Canaries | None:
    """Return what an attributed run captured of its own canaries, None if it made none; raises RunError."""
    from analysis.trust.canaries import Canaries, MissCause, Share

    truth = canary_truth(run)
    if truth is None:
        return None
    found = compare(run, truth)
    shares = (found.capture, found.destination, found.inferred)
    capture, observed, inferred = (Share(one.hits, one.trials, one.share, one.low, one.high) for one in shares)
    causes = tuple(
        MissCause(one.what, one.cause, one.count, one.share, one.of_all, one.meaning, one.by_client)
        for one in found.causes
    )
    function = f"{compare.__module__}.{compare.__qualname__}"
    return Canaries(found.lookups, found.excluded, capture, observed, inferred, causes, function)


def _attributed(run: Path, overlay: Overlay) -> bool:
    """Tell whether a run is sealed (another may have grown since) and its lookups are as this version makes them."""
    wanted = LookupsMade(rule=RULE, span_ns=overlay.lookup_span_ns, refresh_bits=overlay.refresh_bits)
    with RunReader(run) as reader:
        try:
            return reader.manifest.sealed and reader.lookups_made().same_way(wanted)
        except RunError:  # none yet, or damaged: they can be made
            return False


def own_ips(parameters: dict[str, Any]) -> frozenset[int]:
    """Return the addresses of crawlers and canaries, of a merged run those of all its sources.

    A monitor sends nothing but to its target, which is no monitor.
    """
    speakers = [
        parameters.get("addresses", {}).get("crawler", ""),
        *parameters.get("canaries", {}).get("addresses", ()),
    ]
    own = {ip_number(speaker.rpartition(":")[0]) for speaker in speakers if speaker}
    return frozenset(own).union(*(own_ips(source.get("parameters", {})) for source in parameters.get("merged", ())))
