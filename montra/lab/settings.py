"""What a lab is asked to be: read from JSON or TOML, checked before anything starts."""

from __future__ import annotations

import ipaddress
from pathlib import Path

import msgspec

from zone_store.keyspace.zone import Zone

#: Third octets that a /24 of the lab may take: from 127.<second>.1.1 up to 127.255.254.1.
SUBNETS_PER_OCTET = 254
#: First octets that a lab may live under; under 10 only where nothing leads out of the machine (`isolation`).
FIRST_OCTETS = (127, 10)


class LabError(Exception):
    """The lab cannot start or cannot vouch for its truth any more; one clear line."""


class SettingsError(LabError):
    """A setting is missing, unknown or impossible."""


class WorkloadSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the nodes look up and announce.

    lookups, announces: how many commands, at the times of a Poisson process over `duration_s`; announces fall into the
    first `announce_within` of it, because libtorrent announces only when its lookup has ended, 15 s later where silent
    monitors are met; info_hashes: distinct keys; zipf: exponent of their popularity (0 = uniform); outside_share: share
    of keys outside the zone; seed_share: share of announces made as a seed (their get_peers says noseed=1);
    settle_s, drain_s: how long packets are still logged after the last lookup and after the last announce; keys: the
    info-hashes in hex, most popular first, where they must be known beforehand (drawn from the seed if empty).
    """

    lookups: int = 300
    announces: int = 100
    duration_s: float = 40.0
    announce_within: float = 0.5
    info_hashes: int = 60
    zipf: float = 1.0
    outside_share: float = 0.0
    seed_share: float = 0.5
    settle_s: float = 4.0
    drain_s: float = 20.0
    keys: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _require(self.lookups >= 0 and self.announces >= 0, "workload: lookups and announces must not be negative")
        _require(self.duration_s > 0, "workload.duration_s must be positive")
        _require(0 < self.announce_within <= 1, "workload.announce_within must lie in (0, 1]")
        _require(self.info_hashes >= 1, "workload.info_hashes must be at least 1")
        _require(self.zipf >= 0, "workload.zipf must not be negative")
        _require(0 <= self.outside_share <= 1, "workload.outside_share must lie in [0, 1]")
        _require(0 <= self.seed_share <= 1, "workload.seed_share must lie in [0, 1]")
        _require(self.settle_s >= 0 and self.drain_s >= 0, "workload: settle_s and drain_s must not be negative")


class ChurnSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How nodes come and go: exponential sessions of this mean, each departure replaced at once; 0 = nobody leaves."""

    mean_session_s: float = 0.0

    def __post_init__(self) -> None:
        _require(self.mean_session_s >= 0, "churn.mean_session_s must not be negative")


class LabSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A private network of real libtorrent nodes on addresses of this machine, each in a /24 of its own.

    out: folder for lab.jsonl; nodes: how many are up at any time; zone_share: share of them with an ID in the zone (the
    default makes a 6-bit zone of 128 nodes as dense as in a network of 6,000); subnet: first two octets of the first
    node, the following nodes take 127.10.1.1, 127.10.2.1, ... 127.11.1.1, ...; under 10 instead of 127 only in a
    network namespace of loopback alone, for clients that shun 127.0.0.0/8; seed: of all random choices;
    target_recall: share of the 8 truly closest neighbours that the nodes' tables must hold to count as converged,
    within converge_timeout_s; autostart: start the workload without waiting for "go"; poll_s: how often the nodes' logs
    are read, so the precision of the truth's times; max_life_s: the process ends by itself after that; links: network
    interfaces besides loopback that lead nowhere but to namespaces that whoever asks has made.
    """

    out: str
    nodes: int = 128
    zone: str = "a4/6"
    zone_share: float = 0.75
    subnet: str = "127.10"
    port: int = 6881
    seed: int = 1
    workload: WorkloadSettings = msgspec.field(default_factory=WorkloadSettings)
    churn: ChurnSettings = msgspec.field(default_factory=ChurnSettings)
    autostart: bool = False
    target_recall: float = 0.99
    converge_timeout_s: float = 60.0
    poll_s: float = 0.03
    max_life_s: float = 3600.0
    links: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _require(bool(self.out), "out must name a folder")
        _require(self.nodes >= 2, "nodes must be at least 2")
        _require(0 <= self.zone_share <= 1, "zone_share must lie in [0, 1]")
        _require(1024 <= self.port <= 65535, "port must lie in 1024..65535")
        _require(0 < self.target_recall <= 1, "target_recall must lie in (0, 1]")
        _require(0 < self.poll_s <= 1, "poll_s must lie in (0, 1]")
        _require(self.converge_timeout_s > 0 and self.max_life_s > 0, "time limits must be positive")
        try:
            first = ipaddress.IPv4Address(f"{self.subnet}.1.1")
        except ValueError:
            raise ValueError(f'subnet must be two octets such as "127.10", not {self.subnet!r}') from None
        _require(first.packed[0] in FIRST_OCTETS, f"subnet must lie in 127.0.0.0/8 or 10.0.0.0/8, not {self.subnet}")
        free = (256 - first.packed[1]) * SUBNETS_PER_OCTET
        _require(self.nodes <= free, f"{self.nodes} nodes do not fit: from {self.subnet} on there are {free} /24s")
        zone = Zone.parse(self.zone)
        whole = zone.length == 0
        _require(not (whole and self.zone_share < 1), "zone_share must be 1 where the zone is the whole ID space")
        _require(not (whole and self.workload.outside_share), "no key lies outside the whole ID space")


def load_settings(path: Path) -> LabSettings:
    """Read settings from a .json or .toml file; raises SettingsError naming the file and the first thing wrong."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise SettingsError(f"cannot read {path}: {error.strerror}") from error
    try:
        if path.suffix == ".toml":
            return msgspec.toml.decode(data, type=LabSettings)
        return msgspec.json.decode(data, type=LabSettings)
    except msgspec.MsgspecError as error:
        raise SettingsError(f"{path}: {error}") from error


def _require(holds: bool, message: str) -> None:
    # ValueError is what msgspec turns into a ValidationError with the place in the file
    if not holds:
        raise ValueError(message)
