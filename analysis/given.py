"""What an analysis is told about a run beside its folder: how its overlay is to be read, and by whom."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from analysis.network.clients import VersionName, hex_version
from analysis.trust.canaries import Canaries


@dataclass(frozen=True, slots=True)
class Given:
    """How to analyse one run.

    version_name: names a `version` column value (the overlay's); analysed_by: version of the analysing program;
    canaries: what the run captured of its own, None if it made none; republish_s: seconds after which a client
    publishes again, by what is published (`contents.FILE`, `KEYWORD`), empty for an overlay whose lookups do not tell
    publishes; tells_clients: whether queries carry their client's version; tells_reach: whether nodes say that they are
    behind a firewall; caveats: (heading, sentences) of what cannot be told of this overlay; words: keywords by their
    content IDs; names: whether names and tags of files, and addresses of who said them, are shown; least_people: rows
    about fewer distinct requesters are shown to nobody; pseudonym_key: file of the key by which addresses become
    pseudonyms, the run's own if None; places: MaxMind files that tell of addresses where they are.

    Passed to other processes: `version_name` is a function of a module.
    """

    version_name: VersionName = hex_version
    analysed_by: str = ""
    canaries: Canaries | None = None
    republish_s: Mapping[str, float] = field(default_factory=dict)
    tells_clients: bool = True
    tells_reach: bool = False
    caveats: tuple[tuple[str, str], ...] = ()
    words: Mapping[bytes, str] = field(default_factory=dict)
    names: bool = False
    least_people: int = 5
    pseudonym_key: Path | None = None
    places: tuple[Path, ...] = ()
