"""The files that amuled reads at its start: settings, its KadID, its first contacts."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable
from pathlib import Path

from montra.datagrams import ip_number
from montra.lab.kad.population import CONTROL_PORT, KadNode
from montra.overlays.kad import nodes_dat
from montra.overlays.kad.ids import to_wire
from montra.overlays.kad.messages import Contact
from montra.overlays.kad.opcodes import OUR_VERSION

#: Of the remote control. It listens inside the namespace only.
PASSWORD = "montra"  # noqa: S105 - no secret
INCOMING = "Incoming"


def write_configuration(folder: Path, node: KadNode, contacts: Iterable[KadNode]) -> None:
    """Make a node's home folder."""
    for name in (INCOMING, "Temp"):
        (folder / name).mkdir(parents=True)
    sections = "\n".join(
        f"[{title}]\n" + "".join(f"{key}={value}\n" for key, value in options.items())
        for title, options in _options(folder, node).items()
    )
    (folder / "amule.conf").write_text(sections)
    # Prefs.cpp:ReadFile: IP seen last, unused, the KadID, unused
    (folder / "preferencesKad.dat").write_bytes(struct.pack("<IH", 0, 0) + to_wire(node.node_id) + b"\0")
    (folder / "nodes.dat").write_bytes(nodes_dat.write([contact(node) for node in contacts]))


def contact(node: KadNode) -> Contact:
    """Return a node as others know it."""
    return Contact(node.node_id, ip_number(node.ip), node.udp_port, node.tcp_port, OUR_VERSION)


def _options(folder: Path, node: KadNode) -> dict[str, dict[str, object]]:
    """Return amule.conf: Kad alone, nothing from outside, no limit that a small machine would not have."""
    return {
        "eMule": {
            "AppVersion": "2.3.3",
            "Nick": f"node{node.index}",
            "Address": node.ip,
            "Port": node.tcp_port,
            "UDPPort": node.udp_port,
            "UDPEnable": 1,
            "ConnectToKad": 1,
            "ConnectToED2K": 0,
            "Autoconnect": 1,
            "Reconnect": 0,
            "Serverlist": 0,
            "AddServerListFromServer": 0,
            "AddServerListFromClient": 0,
            "UPnPEnabled": 0,
            "MaxUpload": 100,
            "MaxDownload": 0,
            "SlotAllocation": 2,
            "MaxConnections": 100,
            "MaxSourcesPerFile": 300,
            "TempDir": folder / "Temp",
            "IncomingDir": folder / INCOMING,
            "CheckDiskspace": 0,
            "IPFilterAutoLoad": 0,
            "FilterLanIPs": 0,
            "ParanoidFiltering": 0,
            "NewVersionCheck": 0,
            "KadNodesUrl": "",
            "Ed2kServersUrl": "",
            "OnlineSignature": 0,
            "GeoIPEnabled": 0,
        },
        "ExternalConnect": {
            "AcceptExternalConnections": 1,
            "ECAddress": node.ip,
            "ECPort": CONTROL_PORT,
            "ECPassword": hashlib.md5(PASSWORD.encode(), usedforsecurity=False).hexdigest(),
            "UseSecIdent": 0,
            "IpFilterClients": 0,
            "IpFilterServers": 0,
        },
        "WebServer": {"Enabled": 0},
        "Obfuscation": {
            "IsClientCryptLayerSupported": 1,
            "IsCryptLayerRequested": 1,
            "IsClientCryptLayerRequired": 0,
            "CryptoKadUDPKey": node.udp_key,
        },
    }
