"""The page in a real browser: opens from a file, asks for nothing, can be read and operated.

`make test-browser` installs what this needs. It is skipped where there is no Chromium.
"""

from __future__ import annotations

import io
import os
import re
import shutil
import zipfile
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from senoscore.io import write_tsv
from senoscore.plotting import theme
from senoscore.report import charts, tables
from senoscore.report.load import load
from senoscore.report.page import render
from tests import fake_run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

api = pytest.importorskip("playwright.sync_api", reason="no playwright: make test-browser")
BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
WIDE, PHONE = {"width": 1440, "height": 1000}, {"width": 390, "height": 844}
READABLE = 4.5


@pytest.fixture(scope="module")
def browser() -> Iterator[api.Browser]:
    found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip(f"no browser on the PATH ({', '.join(BROWSERS)}) nor named by CHROMIUM")
    with api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two compartments with every figure, and labels that do not fit."""
    folder = tmp_path_factory.mktemp("page")
    run = fake_run.write_run(folder / "run", compartments=["astrocyte", "t_cell"])
    checks = pd.read_csv(run / "summary" / "label_check.tsv", sep="\t")
    checks["flag"], checks["expected"] = "flag", ["above 0.3", "below 1.2"]
    write_tsv(checks, run / "summary" / "label_check.tsv")
    return render(run, folder / "report.html")


@pytest.fixture(scope="module")
def whole_tissue(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = load(fake_run.write_run(tmp_path_factory.mktemp("bulk"))).tables
    burden = found["burden"]
    bulk = burden[burden["compartment"] == "tumour"].assign(
        compartment="bulk", fraction=np.nan, excess=np.nan, n_cells=1, status="profile"
    )
    bulk = bulk.drop(columns=[c for c in bulk if c.startswith("n_") and c != "n_cells"])
    folder = tmp_path_factory.mktemp("bulk_page")
    return render({"burden": bulk}, folder / "report.html", provenance=fake_run.provenance())


class Watched:
    """A page, and all that it said and asked for."""

    def __init__(self, browser: api.Browser, path: Path, **context) -> None:
        self.context = browser.new_context(**({"viewport": WIDE} | context))
        self.page = self.context.new_page()
        self.said: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(path.as_uri())

    def __enter__(self) -> api.Page:
        return self.page

    def __exit__(self, *_: object) -> None:
        self.context.close()


@pytest.mark.parametrize("name", ["report", "whole_tissue"])
def test_opens_from_a_file_without_an_error_or_a_request(browser, request, name: str) -> None:
    path = request.getfixturevalue(name)
    watched = Watched(browser, path)
    with watched as page:
        assert page.locator("#h-answers").is_visible()
        page.locator("#zip").click()
        page.mouse.wheel(0, 5000)
        assert watched.said == []
        others = [url for url in watched.asked if not url.startswith(("data:", "blob:"))]
        assert others == [path.as_uri()]


def opened(page: api.Page) -> None:
    page.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true; })")


def test_tables_are_filtered_sorted_and_downloaded(browser, report: Path) -> None:
    with Watched(browser, report) as page:
        opened(page)
        table = page.locator("details.table").filter(has_text="Burden per sample and compartment")
        rows = table.locator("tbody tr")
        before = rows.count()
        table.get_by_role("searchbox").fill("astrocyte irr_4Gy_d28")
        visible = table.locator("tbody tr:visible")
        assert visible.count() == 3
        assert "3 of" in table.get_by_role("status").inner_text()
        table.get_by_role("searchbox").fill("")
        assert visible.count() == before
        head = table.locator("th", has_text="n_cells")
        column = head.evaluate("(th) => th.cellIndex")
        for direction in (1, -1):
            head.click()
            values = [int(v) for v in rows.locator(f"td:nth-child({column + 1})").all_inner_texts()]
            assert values == sorted(values, reverse=direction < 0)
        assert head.get_attribute("aria-sort") == "descending"
        with page.expect_download() as got:
            table.locator("a.dl").click()
        assert got.value.suggested_filename == "burden.tsv"
        frame = pd.read_csv(got.value.path(), sep="\t")
        stored = pd.read_csv(report.parent / "run" / "summary" / "burden.tsv", sep="\t")
        assert list(frame.columns) == list(stored.columns)
        assert len(frame) == len(stored)


def archive(page: api.Page) -> bytes:
    with page.expect_download() as got:
        page.locator("#zip").click()
    assert got.value.suggested_filename == "senoscore_report.zip"
    return got.value.path().read_bytes()


def test_one_archive_holds_all_tables_and_figures_and_is_the_same_each_time(
    browser, report: Path
) -> None:
    with Watched(browser, report) as page:
        first, second = archive(page), archive(page)
        figures = page.locator("figure[id]").count()
        downloads = page.locator("a.dl").count()
    assert first == second
    with zipfile.ZipFile(io.BytesIO(first)) as packed:
        assert packed.testzip() is None
        names = packed.namelist()
        assert names == sorted(names)
        assert sum(n.startswith("figures/") for n in names) == figures > 5
        assert sum(n.startswith("tables/") for n in names) == downloads > 10
        burden = pd.read_csv(packed.open("tables/burden.tsv"), sep="\t")
        assert len(burden) > 40
        assert packed.read("figures/burden_over_time.svg").startswith(b"<svg xmlns=")
        assert b"senoscore 0.1.0" in packed.read("README.txt")


def test_methods_are_copied(browser, report: Path) -> None:
    with Watched(browser, report, permissions=["clipboard-read", "clipboard-write"]) as page:
        page.locator("#copy").click()
        page.wait_for_function("document.getElementById('copied').textContent !== ''")
        if page.locator("#copied").inner_text() == "Copied.":
            text = page.evaluate("navigator.clipboard.readText()")
        else:
            text = page.evaluate("getSelection().toString()")
    assert "assessed with senoscore 0.1.0" in text
    assert "Saul et al. 2022" in text


def test_all_is_reached_by_keyboard(browser, report: Path) -> None:
    with Watched(browser, report) as page:
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.className") == "skip"
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.closest('#answers') !== null")
        opened(page)
        head = page.locator("th[title]").first
        head.focus()
        assert page.locator("#tip").inner_text() == head.get_attribute("title")
        page.keyboard.press("Enter")
        assert head.get_attribute("aria-sort") == "ascending"
        outline = head.evaluate("(node) => getComputedStyle(node).outlineStyle")
        assert outline != "none"


def test_on_a_phone_the_answer_comes_first_and_nothing_runs_over(browser, report: Path) -> None:
    with Watched(browser, report, viewport=PHONE) as page:
        opened(page)
        tops = [page.locator(of).bounding_box()["y"] for of in ("#h-answers", ".board", "nav")]
        assert tops == sorted(tops)
        assert page.locator(".problems").bounding_box()["y"] < PHONE["height"] / 2
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
        assert page.locator(".plot .narrow").first.is_visible()
        assert not page.locator(".plot .wide").first.is_visible()


def test_print_shows_answers_and_figures_without_controls(browser, report: Path) -> None:
    with Watched(browser, report) as page:
        page.emulate_media(media="print")
        assert not page.locator("nav").is_visible()
        assert not page.locator("#zip").is_visible()
        assert page.locator(".plot .wide svg").first.is_visible()
        pdf = page.pdf()
    assert pdf.startswith(b"%PDF")
    assert len(re.findall(rb"/Type\s*/Page\b", pdf)) < 60


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same page with a dozen rows a table: axe looks at every cell, and all are alike."""
    folder = tmp_path_factory.mktemp("short")
    run = fake_run.write_run(folder / "run", compartments=["astrocyte", "t_cell"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tables, "ROWS_SHOWN", 12)
        patch.setattr(charts, "_drawn", lambda draw, layout, prefix: "<svg></svg>")
        return render(run, folder / "report.html")


@pytest.mark.parametrize(
    ("scheme", "viewport"), [("light", WIDE), ("dark", PHONE)], ids=["wide-light", "phone-dark"]
)
def test_axe_finds_nothing_with_all_details_open(browser, short: Path, scheme, viewport) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    with Watched(browser, short, color_scheme=scheme, viewport=viewport) as page:
        opened(page)
        found = axe.Axe().run(page).response["violations"]
    told = [(v["id"], v["nodes"][0]["html"][:200], len(v["nodes"])) for v in found]
    assert told == []


# Text of a figure, with what lies under its middle: the topmost filled shape of the same figure
# that holds the point, else the paper of the page. axe does not look into an SVG.
TEXTS = """
() => {
  const visible = (node) => node.checkVisibility();
  const transparent = (c) => c === "none" || c.startsWith("rgba(0, 0, 0, 0") || c === "transparent";
  const out = [];
  for (const svg of [...document.querySelectorAll(".plot svg")].filter(visible)) {
    const shapes = [...svg.querySelectorAll("path, rect")].filter((s) => {
      const style = getComputedStyle(s);
      return !transparent(style.fill) && Number(style.fillOpacity) > 0.5;
    }).map((s) => [s, s.getBoundingClientRect()]);
    for (const text of svg.querySelectorAll("text")) {
      if (!text.textContent.trim() || text.closest("[opacity='0']")) continue;
      const box = text.getBoundingClientRect();
      const x = (box.left + box.right) / 2, y = (box.top + box.bottom) / 2;
      const under = shapes.filter(([s, b]) =>
        b.left <= x && x <= b.right && b.top <= y && y <= b.bottom &&
        s.compareDocumentPosition(text) & Node.DOCUMENT_POSITION_FOLLOWING).pop();
      const style = getComputedStyle(text);
      out.push({
        text: text.textContent.slice(0, 40),
        figure: text.closest("figure").id,
        fill: style.fill,
        opacity: Number(style.fillOpacity) * Number(style.opacity),
        under: under ? getComputedStyle(under[0]).fill : null,
      });
    }
  }
  return out;
}
"""


def hexed(colour: str) -> str:
    parts = [int(float(n)) for n in re.findall(r"[\d.]+", colour)[:3]]
    return "#" + "".join(f"{n:02x}" for n in parts)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [WIDE, PHONE], ids=["wide", "phone"])
@pytest.mark.parametrize("name", ["report", "whole_tissue"])
def test_words_in_figures_can_be_read(browser, request, name, scheme, viewport) -> None:
    paper = {"light": theme.PAPER, "dark": theme.DARK_PAPER}[scheme]
    path = request.getfixturevalue(name)
    with Watched(browser, path, color_scheme=scheme, viewport=viewport) as page:
        shown = page.locator("main section").first
        assert hexed(shown.evaluate("(n) => getComputedStyle(n).backgroundColor")) == paper
        found = page.evaluate(TEXTS)
    assert len(found) > 60
    pale = set()
    for text in found:
        under = hexed(text["under"]) if text["under"] else paper
        contrast = theme.contrast(hexed(text["fill"]), under)
        if contrast < READABLE or text["opacity"] < 1:
            pale.add((text["figure"], text["text"], text["fill"], under, round(contrast, 2)))
    assert pale == set()


def test_heat_maps_are_dark_on_a_dark_page(browser, report: Path) -> None:
    """The middle of the scale is the colour of paper: white would glare."""
    field = "#fig-axes .plot .wide .mark-rect path"
    with Watched(browser, report, color_scheme="dark") as page:
        assert "invert" in page.locator(field).first.evaluate(
            "(node) => getComputedStyle(node).filter"
        )
    with Watched(browser, report) as page:
        assert page.locator(field).first.evaluate("(n) => getComputedStyle(n).filter") == "none"
