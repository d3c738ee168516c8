"""The page of a hostile study, by its text and in a real browser without a network."""

from __future__ import annotations

import functools
import http.server
import re
import shutil
import subprocess
import threading
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import pandas as pd
import pytest

from senoscore.report.page import render
from tests import fake_run
from tests.hostile.names import NAMES

if TYPE_CHECKING:
    from pathlib import Path

# Marked so that a browser that ran any of it would show it in its title.
_RUN = "document.title='PWNED'"
HOSTILE = [
    *(name for name in NAMES.values() if len(name) < 1000),
    f"<script>{_RUN}</script>",
    f"</script><script>{_RUN}</script>",
    f'<img src=x onerror="{_RUN}">',
    f'"><svg onload="{_RUN}">',
    "<link rel=stylesheet href=http://127.0.0.1:9/x.css>",
    "<iframe src=http://127.0.0.1:9/></iframe>",
    "javascript:alert(1)",
]


class _Tags(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag, attrs) -> None:
        self.tags.append((tag, dict(attrs)))


@pytest.fixture(scope="module")
def page(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("hostile")
    run = fake_run.write_run(folder / "run", compartments=["astrocyte", "t_cell"])
    burden = pd.read_csv(run / "summary" / "burden.tsv", sep="\t")
    known: list[str] = list(dict.fromkeys(burden["sample"]))
    names = dict(zip(known, [*HOSTILE, *known[len(HOSTILE) :]], strict=False))
    burden["sample"] = burden["sample"].replace(names)
    burden["note"] = " ".join(HOSTILE)
    for column in ("batch", "region", "tissue"):
        burden[column] = [HOSTILE[i % len(HOSTILE)] for i in range(len(burden))]
    burden.loc[burden.index[-1], "compartment"] = HOSTILE[-7]
    coverage = fake_run.coverage()
    for column in coverage.select_dtypes(object).columns:
        coverage.loc[coverage.index[0], column] = HOSTILE[-6]
    return render(
        {"burden": burden, "coverage": coverage},
        folder / "report.html",
        title=" ".join(HOSTILE)[:200],
        provenance={"created": HOSTILE[6], "config": dict.fromkeys(HOSTILE, HOSTILE[-7])},
        tables=folder / "tables",
    )


def test_hostile_names_are_only_text(page) -> None:
    html = page.read_text(encoding="utf-8")
    tags = _Tags(html).tags
    assert [tag for tag, _ in tags].count("script") == 1
    assert not {"img", "iframe", "link", "object", "embed", "base"} & {tag for tag, _ in tags}
    assert not [a for _, attrs in tags for a in attrs if a.startswith("on")]
    links = [v for _, attrs in tags for a, v in attrs.items() if a in {"href", "src", "action"}]
    assert not [v for v in links if v and not re.match(r"#|data:|[\w.-]+(/[\w.-]+)*$", v)]
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    assert "\u202e" not in html
    assert "\0" not in html


def test_policy_is_there(page) -> None:
    policy = re.search(
        r'http-equiv="Content-Security-Policy" content="([^"]+)"', page.read_text(encoding="utf-8")
    )
    assert policy is not None
    assert "default-src 'none'" in policy[1]
    assert "unsafe" not in policy[1]


def test_a_browser_runs_nothing_and_asks_for_nothing(page, tmp_path) -> None:
    browser = next(
        filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
    )
    if browser is None:
        pytest.skip("no Chromium on the PATH: the page was checked by its text only")
    asked: list[str] = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            super().do_GET()

        def log_message(self, *arguments) -> None:
            pass

    handler = functools.partial(Handler, directory=str(page.parent))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}/{page.name}"
    try:
        done = subprocess.run(
            [
                browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                f"--user-data-dir={tmp_path / 'profile'}", "--enable-logging=stderr", "--v=0",
                "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
                "--virtual-time-budget=3000", "--dump-dom", address,
            ],
            capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip
    finally:
        server.shutdown()
        server.server_close()
    assert done.returncode == 0, done.stderr[-2000:]
    title = re.search(r"<title>(.*?)</title>", done.stdout, flags=re.DOTALL)
    assert title is not None
    assert title[1] != "PWNED"
    assert [path for path in asked if path != f"/{page.name}"] in ([], ["/favicon.ico"])
    assert "Refused to" not in done.stderr, "the page itself breaks its policy"
