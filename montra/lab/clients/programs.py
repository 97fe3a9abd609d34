"""Programs that are ruled over their own remote controls: aria2, Transmission, rTorrent."""

from __future__ import annotations

import http.client
import json
import os
import socket
import xmlrpc.client
from contextlib import closing
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from montra.lab.clients.client import Client, ClientError, first_line


def _magnet(info_hash: bytes) -> str:
    return f"magnet:?xt=urn:btih:{info_hash.hex()}"


class _HttpClient(Client):
    """A client that is ruled by JSON over HTTP at 127.0.0.1 of the namespace, from `first_port` on."""

    first_port: ClassVar[int]

    @property
    def _control(self) -> tuple[str, int]:
        return "127.0.0.1", self.first_port + self._number

    def _post(self, path: str, body: object, **headers: str) -> tuple[http.client.HTTPResponse, bytes]:
        """Return the answer and what it holds; raises OSError."""
        with closing(http.client.HTTPConnection(*self._control)) as connection:
            connection.sock = self._inside.socket(socket.AF_INET, socket.SOCK_STREAM)
            connection.sock.settimeout(10)
            connection.sock.connect(self._control)
            try:
                connection.request("POST", path, json.dumps(body), headers)
                response = connection.getresponse()
                return response, response.read()
            except http.client.HTTPException as error:
                raise ConnectionError(f"{self.program} does not speak HTTP: {error!r}") from error


class Aria2(_HttpClient):
    """aria2 turns its DHT on with the first torrent, so it starts with one nobody has."""

    program = "aria2c"
    name = "aria2"
    version = "aria2"
    first_port = 6800

    @classmethod
    def release(cls) -> str:
        """Return such as "aria2 version 1.36.0"."""
        return first_line(cls.program, "--version")

    def _words(self) -> list[str]:
        ip, port = self.address
        entry_ip, entry_port = self._entries[0]
        return [
            self.program,
            "--no-conf",
            "--enable-rpc",
            f"--rpc-listen-port={self._control[1]}",
            f"--interface={ip}",
            f"--listen-port={port}",
            f"--dht-listen-port={port}",
            f"--dht-entry-point={entry_ip}:{entry_port}",
            f"--dht-file-path={self._folder / 'dht.dat'}",
            "--enable-peer-exchange=false",
            f"--dir={self._folder}",
            f"--log={self._folder / 'log'}",
            "--log-level=info",
            "--max-concurrent-downloads=100",
            _magnet(os.urandom(20)),
        ]

    def ready(self) -> bool:
        """Tell whether it answers."""
        try:
            return self._call("aria2.getVersion")["result"] is not None
        except OSError:
            return False

    def search(self, info_hash: bytes) -> None:
        """Add a magnet link."""
        self._downloads[info_hash] = self._order("aria2.addUri", [_magnet(info_hash)])

    def forget(self, info_hash: bytes) -> None:
        """Remove the download."""
        self._order("aria2.forceRemove", self._downloads.pop(info_hash))

    @cached_property
    def _downloads(self) -> dict[bytes, str]:
        return {}

    def _order(self, method: str, *parameters: object) -> str:
        answer = self._call(method, *parameters)
        if "result" not in answer:
            raise ClientError(f"{self.program} refuses {method}: {answer.get('error')}")
        return str(answer["result"])

    def _call(self, method: str, *parameters: object) -> dict[str, Any]:
        request = {"jsonrpc": "2.0", "id": "1", "method": method, "params": parameters}
        _, answer = self._post("/jsonrpc", request)
        return dict(json.loads(answer))


class Transmission(_HttpClient):
    """transmission-daemon. It asks for its DHT entry nodes one by one, with pauses, out of a file."""

    program = "transmission-daemon"
    name = "transmission"
    version = "none"
    first_port = 9091

    @classmethod
    def release(cls) -> str:
        """Return such as "transmission-daemon 3.00 (bb6b5a062e)"."""
        return first_line(cls.program, "--version")

    def _words(self) -> list[str]:
        ip, port = self.address
        settings = {
            "bind-address-ipv4": ip,
            "bind-address-ipv6": "::1",
            "peer-port": port,
            "dht-enabled": True,
            "lpd-enabled": False,
            "pex-enabled": False,
            "utp-enabled": False,
            "port-forwarding-enabled": False,
            "download-dir": str(self._folder),
            "download-queue-size": 100,
            "incomplete-dir-enabled": False,
            "rpc-enabled": True,
            "rpc-bind-address": self._control[0],
            "rpc-port": self._control[1],
            "rpc-authentication-required": False,
            "rpc-whitelist-enabled": False,
        }
        (self._folder / "settings.json").write_text(json.dumps(settings))
        (self._folder / "dht.bootstrap").write_text("".join(f"{ip} {port}\n" for ip, port in self._entries))
        return [self.program, "--foreground", "--log-debug", "--config-dir", str(self._folder)]

    def ready(self) -> bool:
        """Tell whether it answers."""
        try:
            return bool(self._call("session-get")["result"] == "success")
        except OSError:
            return False

    def search(self, info_hash: bytes) -> None:
        """Add a magnet link."""
        self._order("torrent-add", filename=_magnet(info_hash))

    def forget(self, info_hash: bytes) -> None:
        """Remove the torrent."""
        self._order("torrent-remove", ids=[info_hash.hex()])

    def _order(self, method: str, **arguments: object) -> None:
        answer = self._call(method, **arguments)
        if answer["result"] != "success":
            raise ClientError(f"{self.program} refuses {method}: {answer['result']}")

    def _call(self, method: str, **arguments: object) -> dict[str, Any]:
        request = {"method": method, "arguments": arguments}
        response, answer = self._post("/transmission/rpc", request)
        if response.status == http.client.CONFLICT:  # its guard against forged requests: repeat with this header
            name = "X-Transmission-Session-Id"
            _, answer = self._post("/transmission/rpc", request, **{name: response.headers[name]})
        return dict(json.loads(answer))


class RTorrent(Client):
    """rTorrent, ruled by XML-RPC in an SCGI request on a Unix socket."""

    program = "rtorrent"
    name = "rtorrent"
    version = "rTorrent libtorrent 0.13.8"
    by_find_node = True

    @classmethod
    def release(cls) -> str:
        """Return such as "Rakshasa's BitTorrent client version 0.9.8."."""
        return first_line(cls.program, "-h")

    def _words(self) -> list[str]:
        ip, port = self.address
        (self._folder / "session").mkdir()
        # Again every two seconds: libtorrent takes a node in at its second query, and names it to others only then.
        nodes = [
            f'schedule2 = entry{i}, 1, 2, ((dht.add_node, "{node_ip}:{node_port}"))'
            for i, (node_ip, node_port) in enumerate(self._entries)
        ]
        lines = [
            "system.daemon.set = true",
            f"session.path.set = {self._folder / 'session'}",
            f"directory.default.set = {self._folder}",
            f"network.bind_address.set = {ip}",
            f"network.port_range.set = {port}-{port}",
            "network.port_random.set = no",
            "protocol.pex.set = no",
            "trackers.use_udp.set = no",
            "dht.mode.set = on",
            f"dht.port.set = {port}",
            f"network.scgi.open_local = {self._control}",
            f'log.open_file = "log", "{self._folder / "log"}"',
            'log.add_output = "dht_debug", "log"',
            *nodes,
        ]
        settings = self._folder / "settings.rc"
        settings.write_text("\n".join(lines) + "\n")
        return [self.program, "-n", "-o", f"import={settings}"]

    @property
    def _control(self) -> Path:
        return self._folder / "control"

    def ready(self) -> bool:
        """Tell whether it answers."""
        try:
            return bool(self._call("system.pid"))
        except OSError:
            return False

    def search(self, info_hash: bytes) -> None:
        """Load a magnet link."""
        self._order("load.start", "", _magnet(info_hash))

    def forget(self, info_hash: bytes) -> None:
        """Erase the download."""
        self._order("d.erase", info_hash.hex().upper())

    def _order(self, method: str, *parameters: str) -> None:
        try:
            answer = self._call(method, *parameters)
        except xmlrpc.client.Fault as error:
            raise ClientError(f"{self.program} refuses {method}: {error.faultString}") from error
        if answer != 0:
            raise ClientError(f"{self.program} refuses {method}: {answer}")

    def _call(self, method: str, *parameters: str) -> Any:
        body = xmlrpc.client.dumps(parameters, method).encode()
        header = b"CONTENT_LENGTH\0%d\0SCGI\0001\0" % len(body)
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
            sock.settimeout(10)
            sock.connect(str(self._control))
            sock.sendall(b"%d:%b,%b" % (len(header), header, body))
            answer = b"".join(iter(lambda: sock.recv(65536), b""))
        begin = answer.find(b"<?xml")
        if begin < 0:
            raise ConnectionError(f"{self.program} has hung up")
        return xmlrpc.client.loads(answer[begin:])[0][0]
