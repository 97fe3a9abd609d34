"""Who gets what: the zone, the addresses, the limits and the sizes of a run, divided over its workers.

Workers take neighbouring sub-zones, so that nearly all lookups meet monitors of one worker only. The limits are
promises to the network, so the shares of crawler and workers add up to what the configuration says, never to more.
"""

from __future__ import annotations

import dataclasses
import ipaddress
from bisect import bisect_right
from dataclasses import dataclass

from montra.datagrams import ip_text
from montra.endpoint.limits import LimitSettings, Rate
from montra.endpoint.plan import AddressPlan
from montra.monitors.settings import FleetSettings
from montra.window.build import CRAWL_SHARE
from montra.window.config import Config, ConfigError
from zone_store.keyspace.zone import Zone

#: With so many /24s neighbouring monitors never share one (ARCHITECTURE.md, the address plan).
ENOUGH_GROUPS = 16
#: Parts for each worker when the zone cannot be halved evenly: sectors then differ by a quarter at most.
_PARTS_EACH = 4


@dataclass(frozen=True, slots=True)
class Sector:
    """The part of a zone that one worker has: the parts first..end-1 of the 2**bits equal ones."""

    zone: Zone
    bits: int
    first: int
    end: int

    def contains(self, node_id: bytes) -> bool:
        """Tell whether an ID lies in the sector; an ID of another length does not."""
        return self.zone.contains(node_id) and self.first <= _part(self.zone, self.bits, node_id) < self.end

    def __str__(self) -> str:
        """Return the sub-zones from the first to the last ("a4/7", "a4/8 to a5/8")."""
        parts = self.zone.split(self.bits)
        first, last = parts[self.first], parts[self.end - 1]
        return str(first) if first == last else f"{first} to {last}"


class Sectors:
    """A zone divided over `workers`, each getting neighbouring parts; raises ConfigError for a zone too small."""

    def __init__(self, zone: Zone, workers: int) -> None:
        bits = (workers - 1).bit_length()
        if 1 << bits != workers:
            bits = (_PARTS_EACH * workers - 1).bit_length()
        if zone.length + bits > zone.id_bits:
            raise ConfigError([f"processes.workers = {workers}: zone {zone} has too few IDs for so many"])
        self._zone, self._bits = zone, bits
        self._begins = [slot * (1 << bits) // workers for slot in range(workers + 1)]

    def __len__(self) -> int:
        return len(self._begins) - 1

    def __getitem__(self, slot: int) -> Sector:
        """Return the sector of a worker."""
        return Sector(self._zone, self._bits, self._begins[slot], self._begins[slot + 1])

    def slot_of(self, node_id: bytes) -> int:
        """Return whose an ID is, -1 for one outside the zone."""
        if not self._zone.contains(node_id):
            return -1
        return bisect_right(self._begins, _part(self._zone, self._bits, node_id)) - 1


def _part(zone: Zone, bits: int, node_id: bytes) -> int:
    return int.from_bytes(node_id, "big") >> (zone.id_bits - zone.length - bits) & ((1 << bits) - 1)


@dataclass(frozen=True, slots=True)
class Share:
    """What one worker works with."""

    sector: Sector
    plan: AddressPlan
    monitors: FleetSettings
    limits: LimitSettings


def share_of(config: Config, zone: Zone, slot: int) -> Share:
    """Return the share of worker `slot` of a run of `config.processes.workers`; raises ConfigError."""
    workers = config.worker_count
    return Share(
        Sectors(zone, workers)[slot],
        _plan(config, slot, workers),
        _monitors(config.monitors, slot, workers),
        divide_limits(config.limits, workers)[1],
    )


def divide_limits(limits: LimitSettings, workers: int) -> tuple[LimitSettings, LimitSettings]:
    """Return the limits of the crawler and of each worker, which together let out no more than `limits`.

    Total: the crawler has the share that a crawl may take in a single process, the workers the rest in equal parts. A
    target is spoken to by the crawler and by one worker: half each. A /24 may hold targets of all workers: half for
    the crawler, the other half in equal parts. Replies to strangers are the workers' alone, in equal parts. Raises
    ConfigError for bursts too small to be divided.
    """
    crawl = CRAWL_SHARE * limits.scheduled_share
    shares = {"total": (crawl, (1 - crawl) / workers), "target": (0.5, 0.5), "subnet": (0.5, 0.5 / workers)}
    crawler: dict[str, Rate] = {}
    worker: dict[str, Rate] = {}
    problems = []
    for name, (ours, theirs) in shares.items():
        rate: Rate = getattr(limits, name)
        others = 1 if name == "target" else workers
        burst = max(1, int(ours * rate.burst))
        each = (rate.burst - burst) // others
        if each < 1:
            problems.append(
                f"limits.{name}.burst = {rate.burst} cannot be divided over the crawler and {others} "
                f"worker{'s' if others > 1 else ''}: take a larger one, or fewer processes.workers"
            )
            continue
        crawler[name] = Rate(ours * rate.per_s, burst)
        worker[name] = Rate(theirs * rate.per_s, each)
    for name in ("replies", "requester"):
        rate = getattr(limits, name)
        if rate.burst < workers:
            problems.append(f"limits.{name}.burst = {rate.burst} cannot be divided over {workers} workers")
        else:
            worker[name] = Rate(rate.per_s / workers, rate.burst // workers)
    if problems:
        raise ConfigError(problems)
    scheduled = (limits.scheduled_share - crawl) / (1 - crawl)  # what is left of it is the workers'
    return (
        dataclasses.replace(limits, **crawler, scheduled_share=1.0),
        dataclasses.replace(limits, **worker, scheduled_share=scheduled),
    )


def handover_s(limits: LimitSettings) -> float:
    """Return how long a target rests that passes from one worker to another: until the first one's allowance is full.

    Without it both allowances could be used at once.
    """
    return limits.target.burst / limits.target.per_s


def _monitors(settings: FleetSettings, slot: int, workers: int) -> FleetSettings:
    def dealt(number: int) -> int:
        return max(1, number // workers + (slot < number % workers))

    return dataclasses.replace(
        settings,
        max_monitors=dealt(settings.max_monitors),
        max_waiting=dealt(settings.max_waiting),
        attach_rate=settings.attach_rate / workers,
        max_probes_per_s=settings.max_probes_per_s / workers,
    )


def _plan(config: Config, slot: int, workers: int) -> AddressPlan:
    """Return a worker's plan: ports of its own, and /24s of its own where there are plenty.

    A wildcard socket belongs to one process, so ports are what is always divided (`validate` saw that they suffice);
    addresses are, too, where an IP holds so many monitors only: then each worker has some of every /24 if need be.
    """
    whole = config.plan()
    ports = whole.ports[slot * len(whole.ports) // workers : (slot + 1) * len(whole.ports) // workers]
    text = f"{ports[0]}-{ports[-1]}"
    own = _own_groups(whole, slot, workers)
    if own is not None:
        plan = AddressPlan(config.addresses.crawler, own, text, whole.per_ip)
        if whole.per_ip or plan.capacity * workers >= config.monitors.max_monitors:
            return plan
    if whole.per_ip:
        each = [ip_text(whole.ips.at(rank)) for rank in range(slot, len(whole.ips), workers)]
        return AddressPlan(config.addresses.crawler, each, text, whole.per_ip)
    return AddressPlan(config.addresses.crawler, config.addresses.monitors, text)


def _own_groups(plan: AddressPlan, slot: int, workers: int) -> list[str] | None:
    """Return a worker's part of the addresses, cut between /24s; None if that would leave some too few /24s.

    Then monitors of two workers never hide each other, even in a lookup that meets both.
    """
    groups, _ = plan.ips.subnets()
    if len(groups) < ENOUGH_GROUPS * workers:
        return None
    low = int(groups[slot * len(groups) // workers]) << 8
    high = int(groups[(slot + 1) * len(groups) // workers - 1]) << 8 | 255
    return [
        str(network)
        for start, end in zip(plan.ips.starts.tolist(), plan.ips.ends.tolist(), strict=True)
        if start <= high and end >= low
        for network in ipaddress.summarize_address_range(
            ipaddress.IPv4Address(max(start, low)), ipaddress.IPv4Address(min(end, high))
        )
    ]
