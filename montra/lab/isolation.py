"""Nothing that a lab sends may leave the machine."""

from __future__ import annotations

import fcntl
import ipaddress
import socket
import struct

from montra.lab.settings import LabError, LabSettings

# linux/sockios.h and linux/if.h: ask an interface's flags, in a `struct ifreq` (40 bytes on 64-bit machines)
_SIOCGIFFLAGS = 0x8913
_IFREQ = struct.Struct("16sH22x")
_IFF_UP, _IFF_LOOPBACK = 0x1, 0x8


def require_isolated(settings: LabSettings) -> None:
    """Raise LabError if nodes at the settings' addresses could send anything out of this machine.

    The kernel lets no packet from 127.0.0.0/8 out. Nodes at other addresses would send to whomever a stranger names to
    them, so those are taken only where there is no way out: in a network namespace with no interface up but loopback,
    and those that the settings vouch for.
    """
    if ipaddress.IPv4Address(f"{settings.subnet}.1.1").is_loopback:
        return
    outward = [name for name in ways_out() if name not in settings.links]
    if outward:
        raise LabError(
            f"subnet {settings.subnet} is only for a network namespace with loopback alone: {outward[0]} is up here"
        )


def ways_out() -> list[str]:
    """Return the names of the network interfaces that are up and no loopback."""
    names = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for _, name in socket.if_nameindex():
            answer = fcntl.ioctl(sock, _SIOCGIFFLAGS, _IFREQ.pack(name.encode(), 0))
            flags = _IFREQ.unpack(answer)[1]
            if flags & _IFF_UP and not flags & _IFF_LOOPBACK:
                names.append(name)
    return names
