"""A headless Chromium through the DevTools protocol: opens a page as a reader would and asks it what it looks like."""

from __future__ import annotations

import base64
import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import websocket

FLAGS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions"),
    *("--disable-dev-shm-usage", "--remote-debugging-port=0", "--remote-allow-origins=*"),
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
]
SCREENSHOTS = "MONTRA_SCREENSHOTS"
"""Environment variable that names a folder for pictures of what was opened."""


class Tab:
    """One page of the browser."""

    def __init__(self, socket: websocket.WebSocket) -> None:
        self._socket = socket
        self._last = 0
        self.requests: list[str] = []

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the protocol and return its result."""
        self._last += 1
        self._socket.send(json.dumps({"id": self._last, "method": method, "params": parameters}))
        while True:
            message = self._receive()
            if message.get("id") == self._last:
                assert "error" not in message, message
                return message["result"]

    def open(self, page: Path) -> None:
        """Open a file and wait until it is loaded."""
        self.call("Page.navigate", url=page.resolve().as_uri())
        while self._receive().get("method") != "Page.loadEventFired":
            pass

    def ask(self, script: str) -> Any:
        """Return the value of a JavaScript expression."""
        found = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def look(self, width: int, *, dark: bool = False, media: str = "") -> None:
        """Make the window so wide, in light or dark, on "screen" or as on "print"."""
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=width < 500
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", media=media, features=[scheme])

    def picture(self, name: str) -> None:
        """Write a picture of the whole page, if somebody asked for pictures."""
        folder = os.environ.get(SCREENSHOTS)
        if folder:
            taken = self.call("Page.captureScreenshot", captureBeyondViewport=True, format="png")
            Path(folder).mkdir(parents=True, exist_ok=True)
            (Path(folder) / f"{name}.png").write_bytes(base64.b64decode(taken["data"]))

    def pdf(self) -> bytes:
        """Return the page as it is printed."""
        return base64.b64decode(self.call("Page.printToPDF", preferCSSPageSize=True)["data"])

    def _receive(self) -> dict[str, Any]:
        message: dict[str, Any] = json.loads(self._socket.recv())
        if message.get("method") == "Network.requestWillBeSent":
            self.requests.append(message["params"]["request"]["url"])
        return message


@contextmanager
def tab(browser: str, folder: Path) -> Iterator[Tab]:
    """Give a page of a browser of its own, whose files are in `folder`."""
    command = [browser, *FLAGS, f"--user-data-dir={folder / 'profile'}", "about:blank"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            address = next(line.split()[-1] for line in process.stderr if "DevTools listening on" in line)
            with _connected(address) as socket:
                yield socket
        finally:
            process.terminate()


@contextmanager
def _connected(address: str) -> Iterator[Tab]:
    main = websocket.create_connection(address, timeout=60)
    try:
        top = Tab(main)
        target = top.call("Target.createTarget", url="about:blank")["targetId"]
        page = websocket.create_connection(f"{address.split('/devtools')[0]}/devtools/page/{target}", timeout=60)
        try:
            opened = Tab(page)
            for domain in ("Page", "Network", "Runtime"):
                opened.call(f"{domain}.enable")
            yield opened
        finally:
            page.close()
    finally:
        main.close()
