"""The page: says what the tables say, survives missing tables, runs nothing it was handed."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import altair as alt
import numpy as np
import pandas as pd
import pytest

from senoscore.errors import InputError
from senoscore.io.tables import read_tsv
from senoscore.report import charts, results
from senoscore.report.answers import answers
from senoscore.report.headline import headline
from senoscore.report.load import load
from senoscore.report.page import render
from senoscore.report.parts import Options, section
from senoscore.report.sections import chapters, sections
from senoscore.report.tables import clean, view
from senoscore.report.words import design_messages, not_assessed, seldom
from tests import fake_run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from senoscore.report.load import Run

HOSTILE = [
    "<script>alert(1)</script>",
    '"onmouseover="alert(2)',
    "</script><img src=x onerror=alert(3)>",
    "=HYPERLINK(1)",
    "{{ 7 * 7 }}",
    "a\u202eb\u200bc",
    "x" * 10_000,
]
SECTIONS = [
    "answers", "burden", "states", "sasp", "axes", "contrasts", "window", "crosstalk",
    "design", "qc", "genes", "compartments", "calibration",
    "labels", "confounders", "gaps", "methods", "versions",
]  # fmt: skip


class Page(HTMLParser):
    """Tags with their attributes, and the text outside style and script."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self._raw = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._raw = tag if tag in {"script", "style"} else ""

    def handle_endtag(self, tag: str) -> None:
        self._raw = ""

    def handle_data(self, data: str) -> None:
        if not self._raw:
            self.text.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.tags if name == tag]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fake_run.write_run(tmp_path_factory.mktemp("run"))


@pytest.fixture
def no_drawing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the drawing out where a test is about tables and words."""
    monkeypatch.setattr(charts, "_drawn", lambda draw, layout, prefix: "<svg></svg>")


@pytest.fixture(scope="module")
def small(run: Path) -> dict[str, pd.DataFrame]:
    """Return the burden of one compartment, its contrasts, and a table of checks."""
    tables = dict(load(run).tables)
    for name in ("burden", "trend"):
        tables[name] = tables[name][tables[name]["compartment"] == "astrocyte"]
    return {name: tables[name] for name in ("burden", "trend", "label_check")}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a run of two compartments: one with senescence, one with few cells and none."""
    folder = tmp_path_factory.mktemp("drawn")
    return fake_run.write_run(folder, compartments=["astrocyte", "t_cell"])


@pytest.fixture(scope="module")
def html(drawn: Path) -> str:
    figures, tables = drawn / "figures", drawn / "tables"
    out = render(drawn, drawn / "report.html", figures=figures, tables=tables)
    return out.read_text(encoding="utf-8")


def test_page_has_every_section_and_says_what_it_is_for(html: str) -> None:
    page = Page(html)
    assert [a["id"] for a in page.all("section")] == SECTIONS
    assert "research use, not medical advice" in " ".join(page.text).lower()
    assert len(html) < 5_000_000


def test_page_loads_nothing(html: str) -> None:
    page = Page(html)
    for tag, attrs in page.tags:
        assert tag not in {"link", "iframe", "object", "embed", "img", "base", "form"}, tag
        for name in ("src", "srcset", "action", "xlink:href", "background"):
            assert name not in attrs, (tag, attrs)
        href = attrs.get("href") or "#"
        assert href.startswith(("#", "data:text/tab-separated-values;")), href
        assert not [name for name in attrs if name.startswith("on") or name == "style"], (
            tag,
            attrs,
        )
    addresses = {
        m.rstrip("\"'") for m in re.findall(r"(?:https?:)?//[\w.-]+\.\w+[^\s<>\"']*", html)
    }
    assert all(a.startswith("http://www.w3.org/") for a in addresses), addresses
    assert "@import" not in html
    assert not re.search(r"url\((?!#)", html)


def test_security_policy_allows_exactly_this_style_and_script(html: str) -> None:
    (policy,) = [
        a["content"] or ""
        for a in Page(html).all("meta")
        if a.get("http-equiv") == "Content-Security-Policy"
    ]
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    for tag in ("style", "script"):
        (body,) = re.findall(rf"<{tag}>(.*?)</{tag}>", html, flags=re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(body.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy


def test_same_tables_same_bytes(small: dict[str, pd.DataFrame], tmp_path: Path) -> None:
    tables = {"burden": small["burden"].head(12)}
    first = render(tables, tmp_path / "a.html", figures=tmp_path / "a")
    second = render(tables, tmp_path / "b.html", figures=tmp_path / "b")
    assert first.read_bytes() == second.read_bytes()
    files = sorted(p.name for p in (tmp_path / "a").iterdir())
    assert len(files) >= 9
    for name in files:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes(), name


def test_time_stamp_is_that_of_the_provenance(html: str) -> None:
    stamps = set(re.findall(r"20\d\d-\d\d-\d\dT[\d:+]+", html))
    assert stamps == {"2026-11-23T14:00:00+00:00"}


def test_every_figure_has_alternative_text_numbers_and_files(drawn: Path, html: str) -> None:
    plots = [a for a in Page(html).all("div") if a.get("class") == "plot"]
    assert len(plots) >= 8
    assert all(a["role"] == "img" and len(a["aria-label"] or "") > 20 for a in plots)
    said = " ".join(a["aria-label"] or "" for a in plots)
    assert "Astrocyte highest at" in said
    assert "differences hold; the largest: " in said
    for suffix in ("svg", "png", "tsv"):
        names = {p.stem for p in (drawn / "figures").glob(f"*.{suffix}")} - {"captions"}
        assert len(names) == len(plots)
    captions = read_tsv(drawn / "figures" / "captions.tsv")
    assert set(captions["figure"]) == names
    assert set(captions["description"]) <= {a["aria-label"] for a in plots}
    assert html.count('id="fig-') == len(plots)
    assert html.count("Numbers of the figure") >= len(plots)
    ids = re.findall(r'\bid="([^"]+)"', html)
    assert len(ids) == len(set(ids))


@section("doses", "Doses", lead="Which doses were given?", after="states")
def doses(run: Run, _options: Options) -> Iterator[charts.Part]:
    """A section that the package does not have."""
    table = run.tables["burden"][["sample", "dose_gy"]].drop_duplicates()
    yield charts.Part(
        "doses",
        title="Dose of every sample",
        caption="A dot is a sample {of one animal}.",
        alt=lambda numbers: f"Doses up to {numbers['dose_gy'].max():g} Gy.",
        draw=lambda layout: alt.Chart(table).mark_point().encode(x="dose_gy:Q"),
        numbers=lambda: table,
    )


def test_a_new_figure_is_a_part_and_nothing_else(
    small: dict[str, pd.DataFrame], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(results, "doses", doses, raising=False)  # as if the file defined it
    ids = list(dict.fromkeys(chapter.id for chapter in chapters()))
    assert ids[ids.index("states") + 1] == "doses"
    figures = tmp_path / "figures"
    html = render(small, tmp_path / "report.html", figures=figures).read_text(encoding="utf-8")
    page = Page(html)
    assert "doses" in [a["id"] for a in page.all("section")]
    said = " ".join(page.text)
    for words in ("Which doses were given?", "Dose of every sample", "A dot is a sample"):
        assert words in said
    assert "Doses up to 4 Gy." in {a.get("aria-label") for a in page.all("div")}
    assert (figures / "doses.svg").stat().st_size > 0
    assert (figures / "doses.png").stat().st_size > 0
    numbers = read_tsv(figures / "doses.tsv")
    assert numbers["sample"].tolist() == small["burden"]["sample"].unique().tolist()
    # What `snakemake --report` says of it; that it takes every figure is a test of the demo.
    rules = (Path(__file__).parents[2] / "workflow/rules/common.smk").read_text(encoding="utf-8")
    source = re.search(r"^def about_figure.*?(?=^def )", rules, flags=re.DOTALL | re.MULTILINE)
    scope: dict[str, object] = {"Path": Path, "read_tsv": read_tsv}
    exec(source[0], scope)  # type: ignore[index]
    shown = scope["about_figure"](SimpleNamespace(figure="doses"), SimpleNamespace(figures=figures))  # type: ignore[operator]
    assert shown["title"] == "Dose of every sample"
    assert shown["caption"] == "A dot is a sample (of one animal)."


def test_every_section_has_a_lead_and_a_place_of_its_own() -> None:
    found = chapters()
    assert all(chapter.title and len(chapter.lead) > 20 for chapter in found)
    # Three ways to say how much is senescent, of which a run has one.
    assert [c.id for c in found if [x.id for x in found].count(c.id) > 1] == ["burden"] * 3
    assert found[-1].id == "gaps"


def test_download_holds_the_whole_table(drawn: Path, html: str) -> None:
    (href,) = [a["href"] or "" for a in Page(html).all("a") if a.get("download") == "burden.tsv"]
    text = base64.b64decode(href.split("base64,")[1]).decode()
    burden = pd.read_csv(drawn / "summary" / "burden.tsv", sep="\t")
    assert len(text.splitlines()) == len(burden) + 1
    assert text.splitlines()[0].split("\t") == list(burden.columns)
    assert (drawn / "tables" / "burden.tsv").is_file()


def test_answers_repeat_the_trend_table(run: Path) -> None:
    found = {a.compartment: a for a in answers(load(run))}
    assert list(found)[:4] == ["astrocyte", "fibroblast", "macrophage", "tumour"]
    trend = pd.read_csv(run / "summary" / "trend.tsv", sep="\t")
    mine = trend[(trend["compartment"] == "astrocyte") & (trend["measure"] == "fraction_senescent")]
    held = mine[(mine["q"] <= 0.05) & (mine["estimate"] > 0)]
    peak = held.loc[held["estimate"].idxmax()]
    answer = found["astrocyte"]
    assert answer.verdict == "above control"
    assert answer.since == f"from {held['days_post_rt'].min():g} d"
    assert answer.amount == f"+{100 * peak['estimate_fraction']:.1f} points"
    n = f"{peak['n_treated']} irradiated, {peak['n_control']} control samples"
    assert answer.amount_note.endswith(n)
    assert f"n = {peak['n_treated']} vs {peak['n_control']} samples" in answer.animals_note
    assert found["t_cell"].verdict == "too few samples"
    assert found["t_cell"].since == "–"
    text = headline(list(found.values()))
    assert text.startswith("More senescent cells than in unirradiated controls: astrocyte, ")
    assert "endothelial from 7 d." in text
    assert "Too few samples to tell for T cell, 3 against 2 samples: measured are" in text


def test_answers_name_the_dose_and_lay_the_interval_at_controls_of_the_contrast(
    run: Path,
) -> None:
    tables = dict(load(run).tables)
    burden = tables["burden"]
    burden = burden[burden["compartment"] == "astrocyte"].copy()
    trend = tables["trend"]
    trend = trend[trend["compartment"].eq("astrocyte") & trend["measure"].eq("fraction_senescent")]
    trend = trend.assign(unit="log odds", q=0.9, estimate=0.1)
    peak = trend["dose_gy"].eq(4) & trend["days_post_rt"].eq(28)
    numbers = ["q", "estimate", "ci_lo", "ci_hi", "estimate_fraction"]
    trend.loc[peak, numbers] = [0.01, 2.0, 1.0, 3.0, 0.25]
    burden.loc[burden["sample"].str.startswith("irr_4Gy_d28"), "fraction"] = 0.4
    (answer,) = answers(load({"burden": burden, "trend": trend}))
    assert answer.amount == "+25.0 points"
    assert "40.0 % at 28 d (4 Gy) against 15.0 % in controls" in answer.amount_note
    half = 0.5 / burden["n_assessable"].median()
    level = np.log((0.4 + half) / (0.6 + half)) - 2.0
    control, low, high = (
        (1 + 2 * half) / (1 + np.exp(-level - shift)) - half for shift in (0.0, 1.0, 3.0)
    )
    interval = f"{100 * (low - control):.1f} to {100 * (high - control):.1f} points"
    assert f"95 % CI {interval}; 3 irradiated, 4 control samples" in answer.amount_note
    assert answer.since_note == "4 Gy: above control at 1 of 4 times tested; not shown at 90 d"
    lower = trend.assign(estimate=-1.0)
    (answer,) = answers(load({"burden": burden, "trend": lower}))
    assert answer.verdict == "not detected"
    assert answer.since_note.endswith("; below control at 28 d")


@pytest.mark.usefixtures("no_drawing")
def test_one_animal_per_group_gives_no_p_but_says_why(run: Path, tmp_path: Path) -> None:
    burden = pd.read_csv(run / "summary" / "burden.tsv", sep="\t")
    one = burden[burden["sample"].isin(["ctrl_0Gy_d0_1", "irr_4Gy_d28_1"])]
    trend = pd.read_csv(run / "summary" / "trend.tsv", sep="\t")
    trend = trend[(trend["days_post_rt"] == 28) & trend["contrast"].str.contains("4 Gy")]
    reason = "n = 1 per group: no p-value can be computed"
    trend = trend.assign(
        ci_lo=np.nan, ci_hi=np.nan, p=np.nan, q=np.nan, n_control=1, n_treated=1,
        status="not_testable", reason=reason,
    )  # fmt: skip
    out = render({"burden": one, "trend": trend}, tmp_path / "one.html")
    text = " ".join(Page(out.read_text(encoding="utf-8")).text)
    assert "Measured, but no test possible: astrocyte" in text
    assert reason in text
    assert "No replication" in text
    assert "no interval" in text
    assert "above control" not in [
        a.verdict for a in answers(load({"burden": one, "trend": trend}))
    ]


def test_one_animal_per_time_tests_only_the_trend(small: dict[str, pd.DataFrame]) -> None:
    trend = small["trend"].assign(p=np.nan, q=np.nan, status="not_testable", reason="n = 1")
    slope = trend[trend["measure"] == "fraction_senescent"].head(1)
    slope = slope.assign(question="trend_log1p_days", estimate=0.07, p=0.012, status="tested")
    tables = {"burden": small["burden"], "trend": pd.concat([trend, slope])}
    (answer,) = answers(load(tables))
    assert answer.verdict == "no test possible"
    assert answer.animals == "overall trend only"
    assert "+0.07, p = 0.012" in answer.animals_note


@pytest.mark.usefixtures("no_drawing")
def test_bulk_run_shows_scores_instead_of_fractions(run: Path, tmp_path: Path) -> None:
    burden = pd.read_csv(run / "summary" / "burden.tsv", sep="\t")
    bulk = burden[burden["compartment"] == "tumour"].assign(
        compartment="bulk", fraction=np.nan, excess=np.nan, n_cells=1, status="ok"
    )
    bulk = bulk.drop(columns=[c for c in bulk if c.startswith("n_") and c != "n_cells"])
    text = " ".join(Page(render({"burden": bulk}, tmp_path / "b.html").read_text("utf-8")).text)
    assert "Scores over time" in text
    assert "no fraction can be given" in text
    assert "was not run or does not apply" in text


@pytest.mark.usefixtures("no_drawing")
@pytest.mark.parametrize(
    "tables", [{}, {"burden": pd.DataFrame()}, {"samples": fake_run.samples()}]
)
def test_page_survives_missing_tables(tables: dict[str, pd.DataFrame], tmp_path: Path) -> None:
    html = render(tables, tmp_path / "r.html").read_text(encoding="utf-8")
    assert [a["id"] for a in Page(html).all("section")] == SECTIONS
    assert "nothing can be said about senescence" in html
    assert html.count('class="gap"') >= 8


@pytest.mark.usefixtures("no_drawing")
def test_each_table_alone_may_be_missing(run: Path, tmp_path: Path) -> None:
    loaded = load(run)
    for name in ("trend", "coverage", "rates"):
        rest = {n: t for n, t in loaded.tables.items() if n != name}
        html = render(rest, tmp_path / f"{name}.html").read_text(encoding="utf-8")
        assert 'class="gap"' in html, name


def test_hostile_strings_stay_text(small: dict[str, pd.DataFrame], tmp_path: Path) -> None:
    burden = small["burden"].copy()
    samples = list(burden["sample"])
    names = dict(zip(samples, [*HOSTILE, *samples[len(HOSTILE) :]], strict=True))
    burden["sample"] = burden["sample"].map(names)
    burden["note"] = " ".join(HOSTILE[:6])
    burden.iloc[-1, burden.columns.get_loc("compartment")] = HOSTILE[2]
    checks = small["label_check"].assign(note=HOSTILE[3], sample=HOSTILE[0])
    out = render(
        {"burden": burden, "label_check": checks},
        tmp_path / "h.html",
        title=" ".join(HOSTILE[:6]),
        provenance={"created": HOSTILE[0], "config": dict.fromkeys(HOSTILE, HOSTILE[2])},
        tables=tmp_path / "t",
    )
    html = out.read_text(encoding="utf-8")
    page = Page(html)
    assert len(page.all("script")) == 1
    assert not page.all("img")
    assert not [a for _, a in page.tags if any(n.startswith("on") for n in a)]
    assert not {"\u202e", "\u200b"} & set(html)
    text = " ".join(page.text)
    assert HOSTILE[0] in text  # shown as what it is
    assert HOSTILE[4] in text
    assert "a⟨U+202E⟩b⟨U+200B⟩c" in text
    for line in (tmp_path / "t" / "label_check.tsv").read_text(encoding="utf-8").splitlines()[1:]:
        assert not any(field.startswith("=") for field in line.split("\t"))
    assert len(html) < 5_000_000


def test_long_text_is_cut_on_the_page_only() -> None:
    table = view(pd.DataFrame({"note": ["y" * 5000]}), "t", title="t")
    cell = table.rows[0][0]
    assert len(cell.text) <= 120
    assert len(cell.full) <= 2000
    assert len(base64.b64decode(table.href.split("base64,")[1])) > 5000


def test_numbers_are_shown_to_sensible_digits() -> None:
    frame = pd.DataFrame({"p": [0.00001, 0.5], "fraction": [0.12345, np.nan], "n": [3, 12345]})
    rows = view(frame, "t", title="t").rows
    assert [c.text for c in rows[0]] == ["< 0.001", "12.3 %", "3"]
    assert [c.text for c in rows[1]] == ["0.50", "–", "12345"]


def test_hidden_characters_become_visible() -> None:
    assert clean("a\u202eb\u2066c\x00") == "a⟨U+202E⟩b⟨U+2066⟩c⟨U+0000⟩"
    assert clean("héllo 細胞") == "héllo 細胞"


@pytest.mark.parametrize(
    ("n_control", "n_treated", "days", "expected"),
    [
        (0, 3, [7], "No unirradiated sample"),
        (1, 3, [7], "One control sample"),
        (3, 1, [1, 3, 7, 14], "1 sample per time point"),
        (1, 1, [7], "No replication"),
        (2, 2, [7], "Small groups"),
        (3, 3, [7], "smallest p that it can give is 0.10"),
    ],
)
def test_design_messages(n_control: int, n_treated: int, days: list[float], expected: str) -> None:
    rows = [
        {"sample": f"c{i}", "treatment": "control", "days_post_rt": 0} for i in range(n_control)
    ]
    rows += [
        {"sample": f"t{d}_{i}", "treatment": "irradiated", "dose_gy": 4, "days_post_rt": d}
        for d in days
        for i in range(n_treated)
    ]
    assert expected in " ".join(design_messages(pd.DataFrame(rows)))


def test_four_against_four_is_not_called_untestable() -> None:
    rows = [
        {"sample": f"{t}{i}", "treatment": t, "days_post_rt": 7}
        for t in ("control", "irradiated")
        for i in range(4)
    ]
    assert "permutation" not in " ".join(design_messages(pd.DataFrame(rows)))


def test_what_was_not_assessed_is_listed(run: Path) -> None:
    text = not_assessed(load(run)).to_csv()
    assert "signature sahf (up)" in text
    assert "5 of 13 genes" in text
    assert "fraction of T cell" in text
    assert "too few cells" in text


def test_no_folder_and_damaged_table_are_clear_errors(run: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="run folder not found"):
        render(tmp_path / "none", tmp_path / "r.html")
    folder = tmp_path / "run"
    (folder / "summary").mkdir(parents=True)
    (folder / "summary" / "burden.tsv").write_text('sample\tx\na\t"1\n', encoding="utf-8")
    with pytest.raises(InputError, match=r"burden\.tsv"):
        render(folder, tmp_path / "r.html")
    assert not (tmp_path / "r.html").exists()


def test_compartments_of_a_few_stray_cells_are_named_not_answered(
    small: dict[str, pd.DataFrame],
) -> None:
    stray = small["burden"].head(2).assign(
        compartment=["b_cell", "neuron"], n_cells=[3, 0], fraction=np.nan,
        status=["few_cells", "absent"],
    )  # fmt: skip
    run = load({"burden": pd.concat([small["burden"], stray]), "trend": small["trend"]})
    assert {"b_cell", "neuron"}.isdisjoint(a.compartment for a in answers(run))
    assert seldom(run) == "Too few cells to answer for: B cell (3). Not found: neuron."
    many = pd.concat([small["burden"], stray.assign(n_cells=300, status="not_assessable")])
    assert "b_cell" in {a.compartment for a in answers(load({"burden": many}))}


def test_jobs_show_what_was_used_beside_what_was_asked(tmp_path) -> None:
    from senoscore.report.load import JOB_COLUMNS, jobs

    folder = tmp_path / "benchmarks"
    (folder / "score").mkdir(parents=True)
    (folder / "burden.tsv").write_text("s\tmax_rss\tcpu_time\n2.5\t-\t1.5\n")
    resources = "{'tmpdir': '/tmp', 'mem_mb': 2002, 'mem_mib': 1910, 'runtime': 90}"
    extended = f"s\tmax_rss\tcpu_time\tthreads\tresources\n7\t400.5\t6\t2\t{resources}\n"
    (folder / "score" / "mice.tsv").write_text(extended)
    for name, left in (("cut", "s\tmax"), ("empty", ""), ("header", "s\tmax_rss\n"), ("nul", "\0")):
        (folder / f"{name}.tsv").write_text(left)  # of jobs that were killed: no reason to stop
    found = jobs(folder)
    assert len(found) == 2
    assert tuple(found.columns) == JOB_COLUMNS
    expected = ["score", "mice", 7.0, 5400.0, 6.0, 2.0, 400.5, 2002.0]
    assert found.iloc[0].tolist() == expected
    assert found.iloc[1][["job", "of", "wall_s", "cpu_s"]].tolist() == ["burden", "", 2.5, 1.5]
    assert found.iloc[1][["peak_mb", "asked_mb", "asked_wall_s", "threads"]].isna().all()
    run = fake_run.write_run(tmp_path / "run", compartments=["astrocyte"])
    page = render(run, tmp_path / "report.html", benchmarks=folder).read_text()
    assert "Jobs: time and memory of each" in page
    assert jobs(tmp_path / "run" / "nothing").empty


def test_cells_are_drawn_only_where_a_map_was_made(small: dict[str, pd.DataFrame]) -> None:
    ids = {section.id for section in sections(load(small), Options())}
    assert "cells" not in ids
    n = 60
    table = pd.DataFrame(
        {
            "organism": "human", "dataset": "a", "cell": [f"c{i}" for i in range(n)], "sample": "s",
            "compartment": ["tumour", "t_cell", "unassigned"] * 20,
            "senescence_state": ["senescent", "other", "not_assessable"] * 20,
            "senescence_index": [2.0, 0.0, np.nan] * 20,
            "umap_1": np.arange(n) % 3, "umap_2": np.arange(n) / n,
        }
    )  # fmt: skip
    run = load({**small, "embedding": table})
    (section,) = [own for own in sections(run, Options()) if own.id == "cells"]
    by = {item.id: item for item in section.items if isinstance(item, charts.Figure)}
    assert set(by) == {"map_compartment", "map_senescence_state", "map_senescence_index"}
    assert "Senescent 33.3 %" in by["map_senescence_state"].alt
    assert "90 % between 0 and 2." in by["map_senescence_index"].alt
    for item in by.values():
        assert "60 cells drawn at random" in item.caption
        assert len(item.table.rows) == n
        for drawn in (item.wide, item.narrow):
            assert re.findall(r">(Tumour|T cell|Unassigned)</text>", drawn).count("Tumour") >= 1
    names = re.findall(r"<text[^>]*>([^<]*)</text>", by["map_senescence_index"].wide)
    assert "Unassigned" not in names
    several = pd.concat([table, table.assign(organism="mouse")])
    (section,) = [own for own in sections(load({**small, "embedding": several}), Options())
                  if own.id == "cells"]  # fmt: skip
    assert len(section.items) == 6
    assert len({item.id for item in section.items if isinstance(item, charts.Figure)}) == 6
