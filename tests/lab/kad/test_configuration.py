"""What amuled reads at its start."""

from pathlib import Path

from montra.lab.kad.configuration import write_configuration
from montra.lab.kad.population import KadNode
from montra.overlays.kad import nodes_dat

ID = bytes(range(16))
NODE = KadNode(index=3, id=ID.hex(), ip="100.64.4.1", udp_key=77)
OTHER = KadNode(index=4, id=bytes(16).hex(), ip="100.64.5.1", udp_key=78)
#: Words of four bytes, each little-endian.
WIRE_ID = bytes([3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12])


def test_a_home_fixes_address_id_and_key(tmp_path: Path) -> None:
    home = tmp_path / "node3"
    write_configuration(home, NODE, [OTHER])
    lines = (home / "amule.conf").read_text().splitlines()
    assert {"[eMule]", "Address=100.64.4.1", "Port=4662", "UDPPort=4672", "CryptoKadUDPKey=77"} <= set(lines)
    assert f"IncomingDir={home / 'Incoming'}" in lines
    assert (home / "preferencesKad.dat").read_bytes() == bytes(6) + WIRE_ID + b"\0"
    (first,) = nodes_dat.read((home / "nodes.dat").read_bytes())
    assert (first.node_id, first.port, first.tcp_port, first.version) == (bytes(16), 4672, 4662, 8)
    assert (home / "Incoming").is_dir()
    assert (home / "Temp").is_dir()
