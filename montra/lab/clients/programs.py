"""Real clients as programs: started on an address of the namespace, told to search, stopped by their process ID."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import xmlrpc.client
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, ClassVar

from tests.clients.namespace import Namespace

PORT = 6881
Address = tuple[str, int]


class Client(ABC):
    """One running client. `entries`: nodes it enters the network by; all its files are in `folder`.

    program: what must be installed; version: its `v` as montra names it.
    """

    program: ClassVar[str]
    version: ClassVar[str]

    def __init__(self, inside: Namespace, ip: str, folder: Path, entries: Sequence[Address]) -> None:
        self.address: Address = (ip, PORT)
        self._inside = inside
        self._folder = folder
        self._entries = entries
        folder.mkdir(parents=True)
        with (folder / "out").open("wb") as out:
            self._process = subprocess.Popen(
                inside.command(*self._words()),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                env={**os.environ, "HOME": str(folder), "TERM": "dumb"},
                cwd=folder,
            )

    @classmethod
    def installed(cls) -> bool:
        """Tell whether the program is on this machine."""
        return shutil.which(cls.program) is not None

    @abstractmethod
    def _words(self) -> list[str]:
        """Write what the client reads at its start, and return its command line."""

    @abstractmethod
    def ready(self) -> bool:
        """Tell whether it takes orders yet."""

    @abstractmethod
    def search(self, info_hash: bytes) -> None:
        """Add a magnet link: the client looks the info-hash up at once, to find peers and then announce itself."""

    def running(self) -> bool:
        """Tell whether the process is there."""
        return self._process.poll() is None

    def stop(self) -> None:
        """End the process, by force if it takes long; harmless when it has ended."""
        if self.running():
            self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(3)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def _magnet(info_hash: bytes) -> str:
    return f"magnet:?xt=urn:btih:{info_hash.hex()}"


class _HttpClient(Client):
    """A client that is ruled by JSON over HTTP at 127.0.0.1 of the namespace."""

    control: ClassVar[Address]

    def _post(self, path: str, body: object, **headers: str) -> tuple[http.client.HTTPResponse, bytes]:
        """Return the answer and what it holds; raises OSError."""
        with closing(http.client.HTTPConnection(*self.control)) as connection:
            connection.sock = self._inside.socket(socket.AF_INET, socket.SOCK_STREAM)
            connection.sock.settimeout(10)
            connection.sock.connect(self.control)
            connection.request("POST", path, json.dumps(body), headers)
            response = connection.getresponse()
            return response, response.read()


class Aria2(_HttpClient):
    """aria2 turns its DHT on with the first torrent, so it starts with one nobody has."""

    program = "aria2c"
    version = "aria2"
    control = ("127.0.0.1", 6800)

    def _words(self) -> list[str]:
        ip, port = self.address
        entry_ip, entry_port = self._entries[0]
        return [
            self.program,
            "--no-conf",
            "--enable-rpc",
            f"--rpc-listen-port={self.control[1]}",
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
        try:
            return self._call("aria2.getVersion")["result"] is not None
        except OSError:
            return False

    def search(self, info_hash: bytes) -> None:
        answer = self._call("aria2.addUri", [_magnet(info_hash)])
        assert "result" in answer, answer

    def _call(self, method: str, *parameters: object) -> dict[str, Any]:
        request = {"jsonrpc": "2.0", "id": "1", "method": method, "params": parameters}
        _, answer = self._post("/jsonrpc", request)
        return dict(json.loads(answer))


class Transmission(_HttpClient):
    """transmission-daemon. It asks for its DHT entry nodes one by one, with pauses, out of a file."""

    program = "transmission-daemon"
    version = "none"
    control = ("127.0.0.1", 9091)

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
            "rpc-bind-address": self.control[0],
            "rpc-port": self.control[1],
            "rpc-authentication-required": False,
            "rpc-whitelist-enabled": False,
        }
        (self._folder / "settings.json").write_text(json.dumps(settings))
        (self._folder / "dht.bootstrap").write_text("".join(f"{ip} {port}\n" for ip, port in self._entries))
        return [self.program, "--foreground", "--log-debug", "--config-dir", str(self._folder)]

    def ready(self) -> bool:
        try:
            return self._call("session-get")["result"] == "success"
        except OSError:
            return False

    def search(self, info_hash: bytes) -> None:
        answer = self._call("torrent-add", filename=_magnet(info_hash))
        assert answer["result"] == "success", answer

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
    version = "rTorrent libtorrent 0.13.8"

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
        try:
            return bool(self._call("system.pid"))
        except OSError:
            return False

    def search(self, info_hash: bytes) -> None:
        assert self._call("load.start", "", _magnet(info_hash)) == 0

    def _call(self, method: str, *parameters: str) -> Any:
        body = xmlrpc.client.dumps(parameters, method).encode()
        header = b"CONTENT_LENGTH\0%d\0SCGI\0001\0" % len(body)
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
            sock.settimeout(10)
            sock.connect(str(self._control))
            sock.sendall(b"%d:%b,%b" % (len(header), header, body))
            answer = b"".join(iter(lambda: sock.recv(65536), b""))
        return xmlrpc.client.loads(answer[answer.index(b"<?xml") :])[0][0]
