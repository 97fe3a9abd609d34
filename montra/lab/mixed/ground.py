"""What a mixed network stands on: one namespace for all that have a public address, homes behind NATs, ways between."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from montra.lab.clients.namespace import BLOCK, Namespace, namespace
from montra.lab.mixed.link import LinkConfig, LinkCounts
from montra.lab.mixed.nat import Home, NatKind, home
from montra.lab.mixed.settings import MixedSettings
from montra.lab.settings import LabError

#: The public namespace's way to the homes and, where there is weather, of all its datagrams to itself.
DEVICE = "way0"
#: Where the homes' outer addresses are.
HOMES = "172.20.0.0/16"
#: An address that no node has.
_OWN = "10.0.0.1"
_TABLE = "100"
_QUEUE_PACKETS = "10000"
_SILENCE = """
table ip silence {
    chain out {
        type filter hook output priority filter;
        icmp type destination-unreachable drop
    }
}
"""


@dataclass(slots=True)
class Ground:
    """public: where all of 10.0.0.0/8 is; linked: whether all datagrams between its addresses go by DEVICE; homes: in
    order of their kinds; counts: the link's, when it has ended.
    """

    public: Namespace
    linked: bool
    homes: list[Home]
    counts: LinkCounts | None = field(default=None)


@contextmanager
def ground(settings: MixedSettings, name: str, router: str) -> Iterator[Ground]:
    """Make the namespaces, all called after `name`, and take them away in the end; raises LabError."""
    with ExitStack() as stack:
        linked = bool(settings.nat) or not settings.weather.calm
        public = stack.enter_context(namespace(name, router, block="" if linked else BLOCK))
        kinds = list(NatKind)
        homes = []
        for i in range(settings.nat):
            outer = f"172.20.{1 + i}.1"
            homes.append(stack.enter_context(home(f"{name}-{i}", router, kinds[i % len(kinds)], outer)))
            stack.callback(os.close, homes[-1].fd)
        made = Ground(public, linked, homes)
        if linked:
            way = _way(public)
            stack.callback(os.close, way)
            ends = {BLOCK: way} | {f"{home.outer}/32": home.fd for home in homes}
            config = LinkConfig(ends=ends, weather=settings.weather, seed=settings.seed)
            stack.enter_context(_link(config, made))
        yield made


def _way(public: Namespace) -> int:
    """Lead all datagrams out by a device, those between addresses of the namespace as well; return its other end."""
    fd = public.tun(DEVICE)
    public.run("ip", "link", "set", DEVICE, "up", "txqueuelen", _QUEUE_PACKETS)
    for one in ("all", DEVICE):
        public.set(f"net/ipv4/conf/{one}/rp_filter", "0")
    # libtorrent binds its sockets to the device that its address belongs to
    public.run("ip", "address", "add", f"{_OWN}/8", "dev", DEVICE)
    public.run("ip", "route", "add", "local", BLOCK, "dev", "lo", "table", "local")
    # what is sent comes back by the device, from addresses that are local
    public.set(f"net/ipv4/conf/{DEVICE}/accept_local", "1")
    public.run("ip", "route", "add", "default", "dev", DEVICE, "table", _TABLE)
    public.run("ip", "route", "add", HOMES, "dev", DEVICE)
    # the kernel asks its table of local addresses first, so that nothing between them would ever leave
    public.run("ip", "rule", "add", "pref", "10", "iif", DEVICE, "lookup", "local")
    public.run("ip", "rule", "add", "pref", "20", "iif", "lo", "ipproto", "udp", "to", BLOCK, "lookup", _TABLE)
    public.run("ip", "rule", "add", "pref", "30", "lookup", "local")
    public.run("ip", "rule", "delete", "pref", "0")
    # who has left says nothing; here the kernel would, from the address it had
    public.run("nft", "-f", "-", said=_SILENCE)
    return fd


@contextmanager
def _link(config: LinkConfig, made: Ground) -> Iterator[None]:
    """Run the link; its counts are in `made` afterwards."""
    roots = [str(Path(__file__).resolve().parents[3]), os.environ.get("PYTHONPATH", "")]
    process = subprocess.Popen(  # noqa: S603 - our own module, no shell
        [sys.executable, "-m", "montra.lab.mixed.link", msgspec.json.encode(config).decode()],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        pass_fds=tuple(config.ends.values()),
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, roots))},
        start_new_session=True,
    )
    try:
        yield
    finally:
        try:
            out, _ = process.communicate(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            out, _ = process.communicate()
    if process.returncode:
        raise LabError(f"the link between the namespaces has failed (exit {process.returncode})")
    made.counts = msgspec.json.decode(out, type=LinkCounts)
