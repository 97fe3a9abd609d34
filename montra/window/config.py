"""The configuration of a run: one TOML file, checked whole before anything starts.

Unknown keys, wrong types and values out of range give one clear line each, all of them at once. The effective
configuration (file, environment and flags together) goes into the run folder, from which the run can be repeated.
"""

from __future__ import annotations

import dataclasses
import difflib
import ipaddress
import os
import tomllib
import typing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import msgspec
import tomli_w

from crawler.settings import CrawlSettings
from montra.canaries.settings import CanarySettings
from montra.endpoint.limits import LimitSettings
from montra.endpoint.plan import AddressPlan, PlanError
from montra.endpoint.ring import RingSettings
from montra.monitors.settings import FleetSettings, check_introductions
from montra.overlays import base as overlays
from montra.window.units import parse_duration, parse_size
from zone_store.keyspace.zone import Zone, ZoneError

#: More processes than any host has use for.
MAX_WORKERS = 256


class ConfigError(Exception):
    """A configuration that cannot be run; `problems` has one line for each fault."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """Where we speak from: the crawler's own address, and what monitors may take.

    crawler: "ip:port", on an IP that no monitor has; monitors: IPs or CIDR blocks of this host; ports: "20881" or
    "20881-20912"; bind: "shared" (one wildcard socket for each port) or "each" (one socket for each monitor);
    receive_buffer: socket buffer asked of the kernel; receive: "sockets", or "ring" for a packet ring of `ring` bytes
    in each process, which costs a fraction of the CPU time and needs CAP_NET_RAW; interface: the one the ring listens
    at, "" for all.
    """

    crawler: str = ""
    monitors: tuple[str, ...] = ()
    ports: str = "20881"
    bind: Literal["shared", "each"] = "shared"
    receive_buffer: str = "4MiB"
    receive: Literal["sockets", "ring"] = "sockets"
    ring: str = "64MiB"
    interface: str = ""

    @property
    def receive_ring(self) -> RingSettings | None:
        """The ring to receive with, None for sockets."""
        return RingSettings(parse_size(self.ring), self.interface) if self.receive == "ring" else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Responsible:
    """Who answers for the run, and who asked to be left alone.

    contact: address for questions, kept in the manifest; blocklist: file of IPs and CIDR blocks never sent to.
    """

    contact: str = ""
    blocklist: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replies:
    """What monitors say to strangers who ask them.

    mode: "least", what disturbs each client least; "paper", nothing to anybody; or the name of one policy for all.
    families: exceptions for families of clients, family -> policy. once: for how long a content ID that was answered
    is not answered again with the policy "once" (Kad; Mainline's claims last as long as a search).
    """

    mode: str = "least"
    families: dict[str, str] = field(default_factory=dict)
    once: str = "24h"


@dataclass(frozen=True, slots=True, kw_only=True)
class Storage:
    """Where runs go. runs: parent folder of run folders; min_free: the run seals itself when less disk is left."""

    runs: str = "runs"
    min_free: str = "1GB"
    max_pending: int = 2_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Processes:
    """How the fleet is divided. workers: processes that hold monitors, beside one that crawls; 1: all in one process;
    "auto": one for each CPU that we may use, as far as ports reach (the crawl itself takes a small part of one).
    """

    workers: int | Literal["auto"] = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """A whole run. seed 0 draws one from the system and records it.

    bootstrap: nodes to begin the crawl at, as "host:port", or "host:port/ID" where the DHT's queries name whom they are
    meant for; bootstrap_file: more of them, in a file as its clients keep it (eMule's and aMule's nodes.dat).
    """

    overlay: str = "mainline"
    zone: str = ""
    duration: str = "6h"
    seed: int = 0
    bootstrap: tuple[str, ...] = ()
    bootstrap_file: str = ""
    addresses: Addresses = field(default_factory=Addresses)
    crawl: CrawlSettings = field(default_factory=CrawlSettings)
    monitors: FleetSettings = field(default_factory=FleetSettings)
    limits: LimitSettings = field(default_factory=LimitSettings)
    replies: Replies = field(default_factory=Replies)
    canaries: CanarySettings = field(default_factory=CanarySettings)
    processes: Processes = field(default_factory=Processes)
    responsible: Responsible = field(default_factory=Responsible)
    storage: Storage = field(default_factory=Storage)

    @property
    def duration_s(self) -> float:
        """Length of the window in seconds."""
        return parse_duration(self.duration)

    @property
    def worker_count(self) -> int:
        """Processes that hold monitors, for a plan that can be made."""
        if self.processes.workers == "auto":
            return min(len(os.sched_getaffinity(0)), len(self.plan().ports))
        return self.processes.workers

    def parsed_zone(self) -> Zone:
        """Return the zone, of the overlay's ID length; raises ZoneError, and KeyError for an unknown overlay."""
        return Zone.parse(self.zone, overlays.load(self.overlay).id_bytes * 8)

    def reply_table(self) -> dict[str, str]:
        """Return the reply policy of each family of clients; raises ValueError, and KeyError for an unknown overlay."""
        return overlays.load(self.overlay).reply_table(self.replies.mode, self.replies.families)

    def plan(self, *, crawl_only: bool = False) -> AddressPlan:
        """Return the address plan, `crawl_only` one without monitors; raises PlanError, and KeyError (overlay)."""
        monitors = None if crawl_only else list(self.addresses.monitors)
        per_ip = overlays.load(self.overlay).monitors_per_ip
        return AddressPlan(self.addresses.crawler, monitors, self.addresses.ports, per_ip)


def split_endpoint(text: str) -> tuple[str, int]:
    """Split "host:port"; raises ValueError with a line that says what is wrong."""
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise ValueError(f"{text!r} is no address; write it as host:port, port 1-65535")
    return host, int(port)


def split_bootstrap(text: str, id_bytes: int = 0) -> tuple[str, int, bytes]:
    """Split "host:port" or "host:port/ID" into host, port and ID, b"" for none; raises ValueError in one line.

    id_bytes: length that the ID must have, 0 for any.
    """
    endpoint, slash, digits = text.partition("/")
    host, port = split_endpoint(endpoint)
    try:
        node_id = bytes.fromhex(digits)
    except ValueError:
        node_id = b""
    if slash and (not node_id or 2 * len(node_id) != len(digits) or id_bytes not in (0, len(node_id))):
        length = f"{2 * id_bytes} " if id_bytes else ""
        raise ValueError(f"{text!r} has no node ID after the slash; write host:port/ID, the ID as {length}hex digits")
    return host, port, node_id


def _unknown(data: dict[str, Any], kind: type, where: str) -> list[str]:
    """Return a line for each key that `kind` (a dataclass) does not have, with the nearest name it has."""
    hints = typing.get_type_hints(kind)
    problems = []
    for key, value in data.items():
        name = f"{where}{key}"
        if key not in hints:
            near = difflib.get_close_matches(key, hints, 1)
            hint = f"; did you mean {where}{near[0]}?" if near else f"; known here: {', '.join(sorted(hints))}"
            problems.append(f"unknown key {name}{hint}")
        elif dataclasses.is_dataclass(hints[key]) and isinstance(hints[key], type):
            if isinstance(value, dict):
                problems += _unknown(value, hints[key], f"{name}.")
            else:
                problems.append(f"{name} is a section: write it as [{name}]")
    return problems


def _try(problems: list[str], where: str, call: Any, *args: Any) -> None:
    """Run a parser for its errors."""
    try:
        call(*args)
    except (ValueError, KeyError) as error:
        problems.append(f"{where}: {error}")


def validate(config: Config, *, crawl_only: bool = False) -> None:
    """Raise ConfigError naming every fault of a configuration (all but what only the host can tell: see preflight)."""
    problems: list[str] = []
    if config.overlay not in overlays.OVERLAYS:
        problems.append(f"overlay {config.overlay!r} is unknown; known: {', '.join(sorted(overlays.OVERLAYS))}")
    else:
        try:
            config.parsed_zone()
        except ZoneError as error:
            problems.append(f"zone: {error}")
        _try(problems, "replies", config.reply_table)
        most = overlays.load(config.overlay).most_introductions
        _try(problems, "monitors", check_introductions, config.monitors, most)
    _try(problems, "duration", parse_duration, config.duration)
    _try(problems, "replies.once", parse_duration, config.replies.once)
    _try(problems, "storage.min_free", parse_size, config.storage.min_free)
    _try(problems, "addresses.receive_buffer", parse_size, config.addresses.receive_buffer)
    _try(problems, "addresses.ring", parse_size, config.addresses.ring)
    if not config.bootstrap and not config.bootstrap_file:
        problems.append("bootstrap: no node to begin the crawl at; give a list of host:port")
    id_bytes = overlays.load(config.overlay).id_bytes if config.overlay in overlays.OVERLAYS else 0
    for entry in config.bootstrap:
        _try(problems, "bootstrap", split_bootstrap, entry, id_bytes)
    if config.seed < 0:
        problems.append(f"seed = {config.seed}: must be 0 or more")
    if config.processes.workers != "auto" and not 1 <= config.processes.workers <= MAX_WORKERS:
        problems.append(f"processes.workers = {config.processes.workers}: must be from 1 to {MAX_WORKERS}, or auto")
    if config.storage.max_pending < 1:
        problems.append(f"storage.max_pending = {config.storage.max_pending}: must be 1 or more")
    if not config.addresses.crawler:
        problems.append("addresses.crawler: give the crawler an address of its own, as ip:port")
    else:
        _try(problems, "addresses.crawler", _literal, config.addresses.crawler)
    if not crawl_only and not config.addresses.monitors:
        problems.append("addresses.monitors: give the IPs or CIDR blocks that monitors may take")
    elif not problems:
        problems += _plan_faults(config, crawl_only)
    if problems:
        raise ConfigError(problems)


def _plan_faults(config: Config, crawl_only: bool) -> list[str]:
    try:
        plan = config.plan(crawl_only=crawl_only)
    except PlanError as error:
        return [f"addresses: {error}"]
    if not crawl_only and config.addresses.bind == "shared" and plan.crawler[1] in plan.ports:
        return [
            f"addresses.crawler: port {plan.crawler[1]} is one of the monitors' ports {config.addresses.ports}; take "
            'one outside of them, or set addresses.bind = "each"'
        ]
    if not crawl_only and config.worker_count > len(plan.ports):
        ports, workers = len(plan.ports), config.worker_count
        return [
            f"addresses.ports: {ports} port{'s' if ports > 1 else ''} for {workers} workers, and each needs one of its "
            f"own: give a range of {workers} or more, or lower processes.workers"
        ]
    if not crawl_only and plan.per_ip and config.worker_count > len(plan.ips):
        return [
            f"addresses.monitors: {len(plan.ips)} IPs for {config.worker_count} workers, and each needs some of its "
            "own: give more, or lower processes.workers"
        ]
    return [] if crawl_only else _canary_faults(config, plan)


def _canary_faults(config: Config, plan: AddressPlan) -> list[str]:
    """A canary must look like a stranger: clients keep one contact for each IP, and one for each /24 in a lookup."""
    problems = []
    if config.canaries.addresses and overlays.load(config.overlay).addressed:
        return [f"canaries.addresses: there is no canary for {config.overlay} yet; leave them out"]
    for text in config.canaries.addresses:
        try:
            ip, port = AddressPlan(text, None, config.addresses.ports).crawler
        except PlanError as error:
            problems.append(f"canaries.addresses: {error}")
            continue
        if plan.shares_group(ip) or ip >> 8 == plan.crawler[0] >> 8:
            problems.append(f"canaries.addresses: {text} lies in a /24 of the monitors or of the crawler; take another")
        elif config.addresses.bind == "shared" and port in plan.ports:
            problems.append(f"canaries.addresses: the port of {text} is one of the monitors' ports; take another")
    if len(set(config.canaries.addresses)) < len(config.canaries.addresses):
        problems.append("canaries.addresses: one is named twice")
    return problems


def _literal(text: str) -> None:
    host, _ = split_endpoint(text)
    ipaddress.IPv4Address(host)


def parse(data: dict[str, Any]) -> Config:
    """Build a configuration from a TOML document; raises ConfigError for unknown keys and wrong types.

    Where it is silent its overlay's defaults hold (`Overlay.defaults`), then those of `Config`.
    """
    problems = _unknown(data, Config, "")
    if problems:
        raise ConfigError(problems)
    try:
        return msgspec.convert(_with_defaults(data), Config)
    except msgspec.ValidationError as error:
        where = str(error).replace("`$.", "`").replace(" - at", " at")
        raise ConfigError([where]) from error


def _with_defaults(data: dict[str, Any]) -> dict[str, Any]:
    """Return a document of known keys with what its overlay has other defaults for, an unknown overlay's as it is."""
    name = data.get("overlay", Config().overlay)
    known = isinstance(name, str) and name in overlays.OVERLAYS
    defaults = overlays.load(name).defaults if known else {}
    return {**data, **{section: {**values, **data.get(section, {})} for section, values in defaults.items()}}


def load(path: Path) -> dict[str, Any]:
    """Read a TOML file as a document; raises ConfigError with one line."""
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise ConfigError([f"{path}: no such file; `montra config init` writes one to start from"]) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([f"{path}: cannot be read: {error}"]) from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([f"{path}: is no TOML: {error}"]) from error


def merge(document: dict[str, Any], overrides: dict[str, Any]) -> dict[str, Any]:
    """Return the document with dotted overrides ("limits.packets_per_s") set, those that are None left out."""
    merged: dict[str, Any] = {k: dict(v) if isinstance(v, dict) else v for k, v in document.items()}
    for dotted, value in overrides.items():
        if value is None:
            continue
        *path, last = dotted.split(".")
        place = merged
        for part in path:
            place = place.setdefault(part, {})
            if not isinstance(place, dict):
                raise ConfigError([f"{part} is a section: write it as [{part}]"])
        place[last] = value
    return merged


def to_toml(config: Config) -> str:
    """Return the whole effective configuration as TOML that `load` and `parse` accept."""
    return tomli_w.dumps(_without_none(msgspec.to_builtins(config)))


def _without_none(document: dict[str, Any]) -> dict[str, Any]:
    """Leave out what is not set: TOML has no word for it."""
    return {k: _without_none(v) if isinstance(v, dict) else v for k, v in document.items() if v is not None}
