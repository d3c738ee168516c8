"""Sections on arms and drugs, and on regions: there only where a run asked for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pandas as pd

from senoscore import names as k
from senoscore import plotting as pl
from senoscore.plotting import theme, tidy
from senoscore.questions import QUESTIONS, REGION_QUESTIONS
from senoscore.report.charts import Part
from senoscore.report.parts import Item, Notes, Options, section
from senoscore.report.tables import view
from senoscore.report.words import lower

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from senoscore.report.load import Run


__all__ = ["TABLES", "arms", "drug_sentences", "region_sentences", "regions"]

TABLES: Final = ("arms", "efficacy", "efficacy_sides", "regions")
"""Tables that these sections show."""
_NOTHING: Final = "not_testable"
_ARM_AND_DAY: Final = [k.TREATMENT, "against", k.DOSE, "n_fractions", "modality", "stratum", k.DAYS]
_SILENT: Final = ("neither_shown", "no_effect", "underpowered")
"""Words that say of no effect, shown or not; they stand after those that do."""
_MEASURES: Final = ("fraction_senescent", "index_mean")
_WORDS: Final = [
    k.COMPARTMENT, "stratum", k.TREATMENT, "against", k.DOSE, k.DAYS, "n_treated", "n_control",
    "word", "means", "burden", "burden_estimate", "burden_ci_lo", "burden_ci_hi", "burden_q",
    "burden_detectable", "arrested_burden", "arrested_burden_estimate",
    "arrested_burden_ci_lo", "arrested_burden_ci_hi", "arrested_burden_q", "sasp",
    "sasp_falls", "sasp_rises", "note",
]  # fmt: skip
_LEFT: Final = {
    "drug_in_irradiated": "less with the drug than without",
    "drug_in_unirradiated": "less with the drug than without",
    "radiation_x_drug": "the drug lowers more after radiation than without",
    "modality_or_dose_rate": "less in the arm that is named first",
    "named": "less in the arm that is named first",
    "region_pair": "less in the region that is named first",
    "region_x_treatment": "the first region less above the second in the arm that is named first",
    "dose_within_subject": "less at the higher dose",
}
"""What an estimate below nought says, by question."""
_PLAIN: Final = ("drug_in_irradiated", "modality_or_dose_rate", "named", "region_pair")
# sin(arcsin(sqrt(0.2)) - d)**2
_READ: Final = "From 20 %, a difference of −0.1 leads to 13 % and −0.2 to 7 %."
_SIGNALS: Final = ("targets", "crosstalk", "crosstalk_pairs")
"""Kinds of measures of which there are hundreds: the page shows the clearest of them."""
_CLEAREST: Final = 10
_SIGNAL_COLUMNS: Final = [
    k.COMPARTMENT, "stratum", "measure", "contrast", "question", "n_treated", "n_control",
    "estimate", "ci_lo", "ci_hi", "unit", "p", "q", "detectable", "reason", "note",
]  # fmt: skip


@section(
    "arms",
    "Arms and drugs",
    lead=(
        "Arms against each other at the same time, with animals or patients as the unit. A word "
        "rests on tests with adjusted p-values; that an effect is not shown is no proof that "
        "there is none, and no change is claimed without a margin for it (config key "
        "“efficacy.margin”)."
    ),
)
def arms(run: Run, options: Options) -> Iterator[Item | Part]:
    """Drugs in words, tumour and normal tissue side by side, and every contrast."""
    sides, words, table = (run.get(name) for name in ("efficacy_sides", "efficacy", "arms"))
    if words is not None:
        shown = words[~words["word"].isin((*_SILENT, _NOTHING))]
        rest = "The numbers of every compartment stand in the table below." if len(words) else ""
        yield Notes((*drug_sentences(run), *_said(shown), *filter(None, [rest])))
    if sides is not None:
        yield view(sides, "efficacy_sides", title="Tumour and normal tissue side by side")
    if words is not None:
        title = "What each drug did after radiation, in words"
        yield view(words, "efficacy", title=title, columns=_WORDS)
    if table is not None:
        yield from _forests(table, QUESTIONS, options)
        signal = _are_signals(table)
        yield from _signals(table[signal], options, "arms", between="arms")
        yield view(table[~signal], "arms", title="Arm against arm: every contrast")


def _are_signals(table: pd.DataFrame) -> pd.Series:
    return table["family"].astype(str).str.rpartition("/")[2].isin(_SIGNALS)


def _signals(table: pd.DataFrame, options: Options, name: str, *, between: str) -> Iterator[Item]:
    """Targets and crosstalk of a table: what the config names and the clearest, never all."""
    if table.empty:
        return
    title = f"Targets and crosstalk between {between}"
    named = table[table["measure"].isin(options.compared)]
    absent = [one for one in options.compared if one not in set(table["measure"])]
    others = table[table["status"].eq(k.TESTED) & ~table.index.isin(named.index)]
    shown = pd.concat([named, others.sort_values(["q", "p"], kind="stable").head(_CLEAREST)])
    held = table["q"].le(options.alpha)
    hidden = int((held & ~table.index.isin(shown.index)).sum())
    tested = int(table["status"].eq(k.TESTED).sum())
    clearest = len(shown) - len(named)
    own = f"the {len(named)} that the config names (report.compared) and " if len(named) else ""
    text = (
        f"{title}: {int(held.sum())} of {tested} tested contrasts hold at q ≤ {options.alpha:g}"
        f"{f', {hidden} of them not shown here' if hidden else ''}. Shown are {own}the {clearest} "
        f"of the smallest q; all {len(table)} are in {name}.tsv."
    )
    yield Notes((text, *(f"{one} (report.compared) has no value in this run." for one in absent)))
    yield view(shown, f"{name}_signals", title=title, columns=_SIGNAL_COLUMNS)


@section(
    "regions",
    "Regions",
    lead=(
        "Regions of the same animals or patients, each its own control. Subjects with one region "
        "only are left out and named."
    ),
)
def regions(run: Run, options: Options) -> Iterator[Item | Part]:
    """Pairs of regions, against treatment, and dose within subjects."""
    table = run.get("regions")
    if table is None:
        return
    yield Notes(region_sentences(run, options))
    yield from _forests(table, REGION_QUESTIONS, options)
    signal = _are_signals(table)
    yield from _signals(table[signal], options, "regions", between="regions")
    yield view(table[~signal], "regions", title="Regions within subjects: every contrast")


def drug_sentences(run: Run) -> list[str]:
    """Say what each drug did after irradiation: a sentence an arm and time, none without drugs.

    Where no drug has a shown effect, that is said first. Compartments of which the word is the
    same stand together, those with an effect first. Compartments that the design answers nothing
    about are left to the table; an arm of which it answers nothing has the reason.
    """
    words = run.get("efficacy")
    if words is None:
        return []
    asked = words[words["word"].astype(str) != _NOTHING]
    several = len(set(words[k.DOSE].dropna())) > 1
    lines = []
    for key, every in words.groupby(_ARM_AND_DAY, dropna=False, sort=True, observed=True):
        said: dict[str, Any] = dict(zip(_ARM_AND_DAY, key, strict=True))
        against = said["against"]
        known = isinstance(against, str) and against
        head = [f"{said[k.TREATMENT]} against {against}" if known else str(said[k.TREATMENT])]
        head += [f"{said[k.DOSE]:g} Gy"] if several and pd.notna(said[k.DOSE]) else []
        head += [str(said["stratum"])] if pd.notna(said["stratum"]) and said["stratum"] else []
        head += [tidy.day_label(said[k.DAYS])] if pd.notna(said[k.DAYS]) else []
        group = every[every["word"].astype(str) != _NOTHING]
        if group.empty:
            if _answered(said, asked):
                continue
            why = str(every["note"].value_counts().index[0]).partition(";")[0]
            lines.append(f"{', '.join(head)}: cannot be answered ({why}).")
            continue
        parts = []
        for silent in (False, True):
            worded = group[group["word"].isin(_SILENT) == silent]
            for means, same in worded.groupby("means", sort=False, observed=True):
                names = theme.known_first(same[k.COMPARTMENT], theme.COMPARTMENT_COLOURS)
                where = ", ".join(lower(theme.pretty(name)) for name in names)
                # What stays open is a part of an effect; of none, the words below say it.
                told = str(means).partition(";")[0] if silent else str(means)
                parts.append(f"{told} ({where})")
        lines.append(f"{', '.join(head)}: {'; '.join(parts)}.")
    if len(asked) and asked["word"].isin(_SILENT).all() and not asked["word"].eq("no_effect").all():
        lines.insert(0, "no drug is shown to lower senescent cells or the SASP in any compartment.")
    return [line[:1].upper() + line[1:] for line in lines]


def _answered(arm: Mapping[str, Any], asked: pd.DataFrame) -> bool:
    """Whether another compartment answers for an arm that has no counterpart in this one."""
    same = pd.Series(data=True, index=asked.index)
    for name in (name for name in _ARM_AND_DAY if name != "against"):
        own = arm[name]
        same &= asked[name].isna() if pd.isna(own) else asked[name].eq(own)
    return bool(same.any())


def _said(words: pd.DataFrame) -> list[str]:
    """The numbers of each arm and compartment, in a sentence."""
    lines = []
    for row in tidy.rows(words[words["evidence"].notna() & words["evidence"].ne("")]):
        where = theme.pretty(str(row.compartment))
        stratum = f", {row.stratum}" if isinstance(row.stratum, str) and row.stratum else ""
        day = f", {tidy.day_label(row.days_post_rt)}" if pd.notna(row.days_post_rt) else ""
        arm = f"{row.treatment} against {row.against}"
        lines.append(f"{where}, {arm}{stratum}{day}: {row.evidence}.")
    return lines


def region_sentences(run: Run, options: Options) -> tuple[str, ...]:
    """How many answers on the burden hold for each question of regions, the clearest named."""
    table = run.get("regions")
    if table is None:
        return ()
    lines = []
    for question, title in REGION_QUESTIONS.items():
        asked = table[table["question"].eq(question) & table["measure"].isin(_MEASURES)]
        tested = asked[asked["status"].eq(k.TESTED)]
        if asked.empty:
            continue
        if tested.empty:
            why = _mostly(asked)
            lines.append(f"{title.rstrip('?')}: none could be tested ({why}).")
            continue
        held = tested[tested["q"] <= options.alpha].sort_values("p", kind="stable")
        said = [
            f"{what} of {where}, {row.contrast}, {tidy.number(row.estimate, 2)} ({row.unit}), "
            f"q {tidy.p_value(row.q)}"
            for row in tidy.rows(held.head(3))
            for what, where in [
                (lower(theme.pretty(str(n))) for n in (row.measure, row.compartment))
            ]
        ]
        text = f"{title.rstrip('?')}: {len(held)} of {len(tested)} contrasts of senescent cells"
        text += f" or index hold at q ≤ {options.alpha:g}."
        text += f" The clearest: {'; '.join(said)}." if said else ""
        lacking = asked[asked["status"].ne(k.TESTED)]
        if len(lacking):
            why = _mostly(lacking)
            text += f" Not tested: {len(lacking)} (mostly: {why})."
        lines.append(text)
    return tuple(lines)


def _mostly(rows: pd.DataFrame) -> str:
    """The most frequent reason, without what follows from it."""
    return lower(str(rows["reason"].value_counts().index[0]).partition(": ")[0].rstrip("."))


def _forests(table: pd.DataFrame, asked: Mapping[str, str], options: Options) -> Iterator[Part]:
    """A forest of the burden for every question that has an estimate."""
    for question, title in asked.items():
        estimated = table[(table["question"] == question) & table["estimate"].notna()]
        measured = [name for name in _MEASURES if (estimated["measure"] == name).any()]
        if measured:
            yield _forest(table, question, measured[0], title, options)


def _forest(table: pd.DataFrame, question: str, measure: str, title: str, options: Options) -> Part:
    return Part(
        f"answers_{question}",
        title=title,
        caption=_caption(table, question, measure),
        alt=lambda rows: f"Forest of {len(rows)} contrasts. {title}",
        draw=lambda layout: pl.answers(
            table, question=question, measure=measure, alpha=options.alpha, layout=layout
        ),
        numbers=lambda: pl.answers_table(
            table, question=question, measure=measure, alpha=options.alpha
        ),
    )


def _caption(table: pd.DataFrame, question: str, measure: str) -> str:
    """What is drawn, what left of the line means, and how to read the scale."""
    text = f"{theme.pretty(measure)}, with 95 % intervals."
    side = _LEFT.get(question)
    text += f" Left of the line: {side}." if side else ""
    units = table.loc[table["measure"].eq(measure) & table["question"].eq(question), "unit"]
    arcsine = units.astype(str).eq("radians (arcsine)").any()
    return text + (f" {_READ}" if arcsine and question in _PLAIN else "")
