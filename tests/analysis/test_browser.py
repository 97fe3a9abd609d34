"""The page in a real browser: it opens, shows every figure, and asks for nothing but itself."""

import functools
import http.server
import json
import shutil
import subprocess
import threading
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from analysis.page.report import report

from .kad_sample import given_of, kad_sample
from .samples import make_run

pytestmark = [pytest.mark.browser, pytest.mark.slow]
FLAGS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions"),
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
]
#: The browser's own services, which it looks for whatever page is open (and cannot find here).
BROWSERS_OWN = (".googleapis.com", ".google.com", ".gvt1.com")


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serves a folder and keeps what it was asked for."""

    def __init__(self, *args: object, asked: set[str], **kwargs: object) -> None:
        self.asked = asked
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        self.asked.add(self.path)
        super().do_GET()

    def log_message(self, *args: object) -> None:
        pass


@pytest.mark.parametrize("width", [1800, 390], ids=["side by side", "phone"])
def test_the_page_opens_whole_and_requests_nothing(sample_run: Path, tmp_path: Path, width: int) -> None:
    browser = shutil.which("chromium")
    if browser is None:
        pytest.skip("chromium is not installed")
    other = make_run(tmp_path / "20261121T150000Z_kad_a4-6", kad_sample())
    page = report([sample_run, other], given=given_of)
    net = tmp_path / "net.json"
    paths: set[str] = set()
    handler = functools.partial(Handler, asked=paths, directory=str(page.parent))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/{page.name}"
        profile = f"--user-data-dir={tmp_path / 'profile'}"
        command = [browser, *FLAGS, profile, f"--window-size={width},2000", f"--log-net-log={net}", "--dump-dom", url]
        done = subprocess.run(command, capture_output=True, text=True, timeout=100)
        server.shutdown()
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("<svg") >= 12
    assert done.stdout.count("Ledger of losses") == 2
    events = json.loads(net.read_text())["events"]
    asked = {urlsplit(e["params"]["url"]) for e in events if "url" in e.get("params", {})}
    assert urlsplit(url) in asked  # the log does see what the page asks for
    assert paths <= {f"/{page.name}", "/favicon.ico"}
    others = {url.hostname for url in asked if url.scheme in ("http", "https", "ws", "wss")} - {"127.0.0.1"}
    assert not [host for host in others if not f".{host}".endswith(BROWSERS_OWN)]
