"""DHT libraries that are no programs by themselves, each run by a small driver of ours that takes orders as lines."""

from __future__ import annotations

import importlib.metadata
import json
import os
import shutil
import sys
from pathlib import Path
from typing import ClassVar

from montra.lab.clients.client import Client, ClientError, first_line

#: The pinned package of webtorrent's DHT, as npm names it.
PACKAGE, PACKAGE_VERSION = "bittorrent-dht", "11.0.12"
#: Names the folder that npm installed the package in, where that is not the usual one.
FOLDER_VARIABLE = "MONTRA_NPM"

_HERE = Path(__file__).resolve().parent


class _Driven(Client):
    """A client whose driver reads orders from its standard input and says "listening" when it does."""

    _listens: ClassVar[bool] = True

    def ready(self) -> bool:
        """Tell whether the driver has said so."""
        return (self._folder / "out").read_bytes().startswith(b"listening")

    def search(self, info_hash: bytes) -> None:
        """Look the info-hash up, then announce."""
        self._order(f"search {info_hash.hex()}")

    def look_up(self, info_hash: bytes) -> None:
        """Look the info-hash up and leave it at that; raises ClientError."""
        self._order(f"look_up {info_hash.hex()}")

    def _order(self, line: str) -> None:
        pipe = self._process.stdin
        try:
            if pipe is not None:
                pipe.write(line.encode() + b"\n")
        except OSError as error:
            raise ClientError(f"{self.name} has ended; it said: {self.said()}") from error


class Webtorrent(_Driven):
    """webtorrent's bittorrent-dht under node."""

    program = "node"
    name = "webtorrent"
    version = "none"

    @classmethod
    def missing(cls) -> str:
        """Say what must be installed: node, or the npm package."""
        if not shutil.which(cls.program):
            return "node is not installed"
        if not (_modules() / PACKAGE).is_dir():
            return f"{PACKAGE} is not installed: npm install --prefix {npm_folder()} {PACKAGE}@{PACKAGE_VERSION}"
        return ""

    @classmethod
    def release(cls) -> str:
        """Return such as "bittorrent-dht 11.0.12, node v20.20.2"."""
        package = json.loads((_modules() / PACKAGE / "package.json").read_bytes())
        return f"{PACKAGE} {package['version']}, node {first_line(cls.program, '--version')}"

    def _words(self) -> list[str]:
        ip, port = self.address
        entries = [f"{host}:{entry_port}" for host, entry_port in self._entries]
        return [self.program, str(_HERE / "webtorrent.mjs"), str(_modules()), ip, str(port), *entries]


class Libtorrent(_Driven):
    """One node of libtorrent, as in the lab, in a process of its own."""

    program = "python"
    name = "libtorrent"
    version = "libtorrent 2.1.1"

    @classmethod
    def missing(cls) -> str:
        """Say whether the Python package is missing."""
        try:
            importlib.metadata.version("libtorrent")
        except importlib.metadata.PackageNotFoundError:
            return "libtorrent is not installed: install montra[lab]"
        return ""

    @classmethod
    def release(cls) -> str:
        """Return such as "libtorrent 2.1.1"."""
        return f"libtorrent {importlib.metadata.version('libtorrent')}"

    def _words(self) -> list[str]:
        ip, port = self.address
        entries = [f"{host}:{entry_port}" for host, entry_port in self._entries]
        return [sys.executable, "-m", "montra.lab.clients.libtorrent_driver", ip, str(port), *entries]

    def _variables(self) -> dict[str, str]:
        # montra may be run from a checkout that is no installed package
        roots = [str(_HERE.parents[2]), os.environ.get("PYTHONPATH", "")]
        return {"PYTHONPATH": os.pathsep.join(filter(None, roots))}


def npm_folder() -> Path:
    """Return the folder that npm installs the package in."""
    chosen = os.environ.get(FOLDER_VARIABLE)
    if chosen:
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "montra" / "npm"


def _modules() -> Path:
    return npm_folder() / "node_modules"
