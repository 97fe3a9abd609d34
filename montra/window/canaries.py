"""The canaries of a window: a machine for each of their addresses, as the driver wants it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from montra.canaries.canary import Address, Canary
from montra.datagrams import Datagram, DatagramBatch
from montra.endpoint.plan import AddressPlan
from montra.overlays.base import Overlay
from montra.window.bootstrap import resolve
from montra.window.build import source_of_chance
from montra.window.config import Config
from montra.window.window import as_datagrams, rows_of
from zone_store.keyspace.zone import Zone
from zone_store.run.canaries import CanaryLookup

#: What a canary's counters are called on the ledger.
PREFIX = "canary_"


@dataclass(slots=True)
class CanaryMachine:
    """One canary on the one address of its own plan, which is that plan's crawler."""

    canary: Canary

    def start(self, now_ns: int) -> list[Datagram]:
        """Begin."""
        self.canary.start(now_ns)
        return []

    def feed(self, now_ns: int, batch: DatagramBatch) -> list[Datagram]:
        """Take what arrived, return what to send."""
        return as_datagrams(self.canary.feed(now_ns, rows_of(batch, range(len(batch)))))

    def tick(self, now_ns: int) -> list[Datagram]:
        """Do what is due, return what to send."""
        return as_datagrams(self.canary.tick(now_ns))

    def due(self, now_ns: int) -> int:
        """Return when `tick` has something to do."""
        return self.canary.due(now_ns)


def canary_plans(config: Config) -> list[AddressPlan]:
    """Return the address plan of each canary; raises PlanError."""
    return [AddressPlan(text, None, config.addresses.ports) for text in config.canaries.addresses]


def build_canaries(
    config: Config, overlay: Overlay, zone: Zone, seed: int, log: Callable[[CanaryLookup], None]
) -> list[CanaryMachine]:
    """Return the machines of a configuration's canaries, in the order of `canary_plans`; finished lookups go to log."""
    bootstrap, _ = resolve(config.bootstrap)
    machines = []
    for number, plan in enumerate(canary_plans(config)):
        rng = source_of_chance(seed, f"canary/{number}")
        own = Address(_elsewhere(zone, rng.randbytes(overlay.id_bytes)), *plan.crawler)
        rate = config.canaries.per_minute / len(config.canaries.addresses)
        machines.append(CanaryMachine(Canary(overlay, zone, own, list(bootstrap), rng, rate, log)))
    return machines


def _elsewhere(zone: Zone, node_id: bytes) -> bytes:
    """Return an ID outside the zone (of a zone that is not everything): a canary is no neighbour of its keys."""
    return bytes([node_id[0] ^ 0x80]) + node_id[1:] if zone.length and zone.contains(node_id) else node_id
