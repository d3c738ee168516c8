"""The contrasts with control that the window reads: those of the trend table, and further ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from senoscore import names as k
from senoscore.inference import TREND_COLUMNS, Contrast, against_control, ask, bh
from senoscore.kernels import adjusted
from senoscore.study import ARM, prepared, strata, unit_of, values, without_controls

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from senoscore.biology.rules import Measure, Options, Rule, Rules


__all__ = [
    "FACT",
    "Contrasts",
    "Course",
    "Key",
    "by_key",
    "by_stratum",
    "clock",
    "column_of",
    "contrasts_of",
    "course",
    "key_of",
    "of_arm",
    "persistent_at",
    "same",
    "window_contrasts",
]

FACT: Final = "fact"
"""Name of the measure in the rules."""
_QUESTION: Final = "irradiated_vs_control"
_MEAN: Final = "mean:"
_HALF: Final = 0.5
_ALIKE: Final = "times cannot be told apart: no replication, or batch and time are the same"
_UNIT: Final = [k.SAMPLE, "region"]
_DESIGN: Final = (
    k.DATASET, k.SUBJECT, *ARM, "bed_gy", "eqd2_gy", k.DAYS, k.BATCH, "assay", "organism",
)  # fmt: skip
"""What :func:`senoscore.study.compare.prepared` and strata read of a sample, beside its unit."""

Key = tuple[str, float | None, float | None, str, float | None]
"""Arm (treatment, dose in Gy, fractions, modality) and day; None where there is none, for NaN is
not equal to itself."""


def key_of(row: Mapping[Any, Any]) -> Key:
    """Key of a group of samples, of its arm and day."""
    dose, fractions, days = (
        None if pd.isna(row[name]) else float(row[name]) for name in (k.DOSE, "n_fractions", k.DAYS)
    )
    modality = "" if pd.isna(row["modality"]) else str(row["modality"])
    return str(row[k.TREATMENT]), dose, fractions, modality, days


def of_arm(table: pd.DataFrame, key: Key) -> pd.Series:
    """Mark the samples of the arm of a key, of any day."""
    treatment, dose, fractions, modality, _ = key
    in_arm = table[k.TREATMENT].eq(treatment) & table["modality"].eq(modality)
    return in_arm & same(table[k.DOSE], dose) & same(table["n_fractions"], fractions)


def column_of(measure: Measure, columns: Iterable[object]) -> list[str]:
    """Measures (names of the trend table) that a fact can be read from, in order."""
    names = [str(name) for name in columns]
    if measure.columns:
        return list(measure.columns)
    scores = [name.removeprefix(_MEAN) for name in names if name.startswith(_MEAN)]
    plain = [n for n in scores if not n.split(k.SEP, maxsplit=1)[0].endswith(("_z", "_p"))]
    return sorted(
        (n for n in plain if n.split(k.SEP, 1)[-1] == measure.score),
        key=lambda n: not n.startswith("z:"),
    )[:1]


def window_contrasts(
    burden: pd.DataFrame, trend: pd.DataFrame | None, options: Options, *, named: str
) -> pd.DataFrame:
    """Gather one row a fact, compartment, arm and day.

    Contrasts that the trend table has are taken from it, with the q of their family there. The
    others are made here in the same way (:func:`senoscore.trend`) and are families of their own,
    ``named`` so.

    Returns
    -------
    The columns of the trend table, with ``fact``. Contrasts are those of one
    ``stratum`` each, as in the trend.
    """
    single, pooled = _wanted(burden, options.rules)
    found: list[pd.DataFrame] = []
    if trend is not None:
        rows = trend[trend["question"] == _QUESTION].copy()
        rows["stratum"] = rows["stratum"].astype(object).where(rows["stratum"].notna(), "")
        found += [
            rows[rows["measure"].isin(names)].assign(**{FACT: f}) for f, names in single.items()
        ]
    known = set() if trend is None else set(trend["measure"])
    later = {f: [n for n in names if n not in known] for f, names in single.items()}
    found.append(_made(burden, {f: names for f, names in later.items() if names}, options, named))
    table = _pooled(burden, pooled, min_cells=options.min_cells) if pooled else pd.DataFrame()
    if len(table):
        tissue = {m.name: [f"tissue{k.SEP}{m.name}"] for m in pooled}
        found.append(_made(table, tissue, options, named))
    columns = [FACT, *TREND_COLUMNS]
    out = pd.concat([t for t in found if len(t)] or [pd.DataFrame(columns=columns)])
    order = [FACT, k.COMPARTMENT, "stratum", *ARM, k.DAYS]
    return out[columns].sort_values(order, kind="stable", ignore_index=True)


def _made(
    burden: pd.DataFrame, facts: Mapping[str, Sequence[str]], options: Options, named: str
) -> pd.DataFrame:
    """Contrasts of some measures in every compartment; a fact is a family."""
    control = options.control
    names = sorted({name for measures in facts.values() for name in measures})
    if not names:
        return pd.DataFrame()
    table = prepared(burden, options.transform, control=control)
    table = table[table[k.COMPARTMENT] != k.UNASSIGNED]
    present = [name for name in names if name in table]
    parts = []
    for compartment, group in table.groupby(k.COMPARTMENT, sort=True, observed=True):
        for part in strata(group, control=control):
            rows = against_control(part, group[present], control=control, alpha=options.alpha)
            parts.append(rows.assign(**{k.COMPARTMENT: compartment}))
    some = [part for part in parts if len(part)]
    if not some:
        return pd.DataFrame()
    rows = pd.concat(some, ignore_index=True)
    bare = without_controls(table, control=control)
    rows["unit"] = [
        unit_of(name, options.transform, controls=compartment not in bare)
        for name, compartment in zip(rows["measure"], rows[k.COMPARTMENT], strict=True)
    ]
    found = [
        rows[rows["measure"].isin(measures)].assign(**{FACT: fact, "family": f"{named}/{fact}"})
        for fact, measures in facts.items()
    ]
    out = pd.concat([t for t in found if len(t)] or [rows.iloc[:0]], ignore_index=True)
    out["q"] = bh(out)
    return out.reindex(columns=[FACT, *TREND_COLUMNS])


def same(column: pd.Series, value: float | None) -> pd.Series:
    """Rows with a value, a missing one being equal to a missing one."""
    return column.isna() if value is None or np.isnan(value) else column == value


@dataclass(frozen=True)
class Contrasts:
    """The contrasts of one compartment, stratum, arm and time: at most one a fact of the rules.

    Parameters
    ----------
    rows
        Fact -> row of the contrasts that :func:`window_contrasts` gives.
    fdr
        q at or below which a contrast holds.
    min_excess
        Difference of mean fractions (0..1) below which the burden does not count as raised.
    """

    rows: Mapping[str, Mapping[Any, Any]]
    fdr: float
    min_excess: float = 0.0

    @property
    def burden(self) -> Mapping[Any, Any] | None:
        """The contrast of the burden; before cells can be senescent, that of the acute response."""
        return self.rows.get("burden", self.rows.get("acute"))

    def verdict(self, fact: str) -> str:
        """One word for a fact, of :data:`senoscore.biology.rules.VERDICTS`."""
        row = self.rows.get(fact)
        if row is None:
            return "absent"
        if row["status"] != k.TESTED:
            return str(row["status"])
        if not row["q"] <= self.fdr:
            return "same"
        if row["estimate"] < 0:
            return "down"
        excess = row["estimate_fraction"]
        least = self.min_excess if fact == "burden" else 0.0
        return "same" if np.isfinite(excess) and excess < least else "up"

    def verdicts(self, rules: Rules) -> dict[str, str]:
        """The word for every fact that is measured, and what the design of the burden allows."""
        row = self.burden
        if row is None:
            design = {"replicated": "no", "estimable": "no"}
        else:
            enough = min(row["n_control"], row["n_treated"]) >= 2
            design = {
                "replicated": "yes" if enough else "no",
                "estimable": "no" if row["status"] == k.NOT_ESTIMABLE else "yes",
            }
        return {fact: self.verdict(fact) for fact in rules.measures} | design

    def sizes(self) -> dict[str, float]:
        """Samples on both sides of the contrast of the burden; 0 where there is none."""
        names = ("n_control", "n_treated")
        return {name: 0 if self.burden is None else self.burden[name] for name in names}

    def evidence(self, asked: Sequence[Rule], rules: Rules) -> list[str]:
        """The contrasts behind some rules in words, the burden always among them."""
        facts = {"burden": None} | {fact: None for rule in asked for fact in rule.when}
        members = dict.fromkeys(m for fact in facts for m in rules.members(fact))
        found = [
            _in_words(self.rows[m], rules.measures[m].title) for m in members if m in self.rows
        ]
        absent = [rules.measures[m].title for m in members if m not in self.rows]
        return found + [f"{title}: not measured" for title in absent]


Found = dict[tuple[str, str], list[dict[Any, Any]]]
"""Contrasts by stratum and fact."""


def by_stratum(contrasts: pd.DataFrame) -> Found:
    """Sort what :func:`window_contrasts` gives, once: it is asked for every compartment."""
    found: Found = {}
    for row in contrasts.to_dict("records"):
        found.setdefault((row["stratum"], row[FACT]), []).append(row)
    return found


def by_key(compartment: str, stratum: str, found: Found, options: Options) -> dict[Key, Contrasts]:
    """Contrasts of a compartment and stratum, by arm and day.

    Of several columns of one fact (fraction, index) the first is used that the compartment has
    any contrast of.
    """
    rows: dict[Key, dict[str, dict[Any, Any]]] = {}
    for fact, measure in options.rules.measures.items():
        asked = found.get((stratum, fact), [])
        if not measure.of:
            asked = [row for row in asked if row[k.COMPARTMENT] == compartment]
        known = {row["measure"] for row in asked if row["status"] != k.NOT_ESTIMABLE}
        known = known or {row["measure"] for row in asked}
        first = [name for name in measure.columns if name in known][:1]
        for row in asked:
            if not first or row["measure"] == first[0]:
                rows.setdefault(key_of(row), {})[fact] = row
    return {key: contrasts_of(facts, options) for key, facts in rows.items()}


def contrasts_of(rows: Mapping[str, Mapping[Any, Any]], options: Options) -> Contrasts:
    """Contrasts of one arm and time, held to the options of the window."""
    return Contrasts(rows, fdr=options.fdr, min_excess=options.min_excess)


def _wanted(burden: pd.DataFrame, rules: Rules) -> tuple[dict[str, list[str]], list[Measure]]:
    """Facts of the compartment itself with their measures, and facts of other compartments."""
    single: dict[str, list[str]] = {}
    pooled: list[Measure] = []
    for name, measure in rules.measures.items():
        if measure.of:
            pooled.append(measure)
        else:
            single[name] = column_of(measure, burden.columns)
    return single, pooled


def _pooled(burden: pd.DataFrame, measures: Sequence[Measure], *, min_cells: int) -> pd.DataFrame:
    """A burden table of groups of compartments: one row a sample (and region) and group."""
    region = burden["region"] if "region" in burden else pd.Series("", index=burden.index)
    burden = burden.assign(region=region.astype(object).where(region.notna(), "").astype(str))
    samples = burden.drop_duplicates(_UNIT).set_index(_UNIT)
    total = burden.groupby(_UNIT, observed=True)["n_cells"].sum()
    groups: dict[str, pd.DataFrame] = {}
    for measure in measures:
        rows_of_group = burden[burden[k.COMPARTMENT].isin(measure.of)]
        if not rows_of_group["n_cells"].gt(0).any():
            continue
        name = "+".join(measure.of)
        n = (
            rows_of_group.groupby(_UNIT, observed=True)["n_cells"]
            .sum()
            .reindex(samples.index, fill_value=0)
        )
        table = groups.setdefault(name, _group_rows(samples, name, n, total))
        if measure.share:
            rest = total.reindex(samples.index) - n
            odds = (n + _HALF) / (rest + _HALF)
            value = odds.map(np.log).where(total.reindex(samples.index) >= min_cells)
        else:
            value = _weighted(rows_of_group, measure).reindex(samples.index).where(n >= min_cells)
        table[f"{_MEAN}tissue{k.SEP}{measure.name}"] = value.to_numpy(dtype=float)
    if not groups:
        return pd.DataFrame()
    out = pd.concat(groups.values(), ignore_index=True)
    for measure in measures:
        column = f"{_MEAN}tissue{k.SEP}{measure.name}"
        if column not in out:
            out[column] = np.nan
    return out


def _group_rows(samples: pd.DataFrame, name: str, n: pd.Series, total: pd.Series) -> pd.DataFrame:
    table = samples[[c for c in _DESIGN if c in samples]].copy()
    table[k.COMPARTMENT] = name
    table["n_cells"] = table["n_assessable"] = n
    table["n_positive"] = 0
    table["status"] = np.where(total.reindex(samples.index) > 0, "ok", "absent")
    return table.reset_index()


def _weighted(rows: pd.DataFrame, measure: Measure) -> pd.Series:
    """Mean score of a sample over the cells of several compartments."""
    names = column_of(measure, rows.columns)
    if not names:
        return pd.Series(dtype=float)
    value = pd.to_numeric(rows[f"{_MEAN}{names[0]}"]).astype(float)
    n = rows["n_cells"].where(value.notna(), 0)
    by = [rows[name] for name in _UNIT]
    sums = (value.fillna(0) * n).groupby(by, observed=True).sum()
    count = n.groupby(by, observed=True).sum()
    return sums / count.where(count > 0)


def clock(days: float | None, stable: float) -> str:
    """Whether a day is one at which the pattern can be senescence; empty without a time."""
    if days is None or np.isnan(days):
        return ""
    return "before_stable" if days < stable else "after_stable"


def _in_words(row: Mapping[Any, Any], title: str) -> str:
    """A contrast in words and numbers: measure, contrast, estimate, interval, q, samples."""
    text = f"{title}: {row['contrast']}"
    if np.isfinite(row["estimate"]):
        text += f" {row['estimate']:+.3g} {row['unit']}"
    if np.isfinite(row["ci_lo"]):
        text += f" [{row['ci_lo']:.3g}, {row['ci_hi']:.3g}]"
    if np.isfinite(row["estimate_fraction"]):
        text += f", {100 * row['estimate_fraction']:+.3g} points"
    if np.isfinite(row["q"]):
        text += f", q {row['q']:.2g}"
    text += f", {row['n_treated']:g} vs {row['n_control']:g} samples"
    return text + (f", {row['status']}" if row["status"] != k.TESTED else "")


@dataclass(frozen=True)
class Course:
    """Of one compartment and arm.

    ``peak`` is the time with the highest mean, ``peak_set`` the times that do not differ from it
    after Benjamini-Hochberg (empty where nothing could be tested, and ``why_not`` says why);
    ``below_peak`` maps later times to the difference from the highest, with its interval.
    """

    peak: float
    peak_set: tuple[float, ...]
    below_peak: Mapping[float, Contrast]
    why_not: str = ""


def persistent_at(
    up: Mapping[float, bool], phase: Mapping[float, str], *, consecutive: int
) -> dict[float, bool]:
    """Whether a raised burden persists at each time.

    Parameters
    ----------
    up
        Time -> burden holds above control, for times at which it can be senescence.
    phase
        Time -> phase.
    consecutive
        Times in a row, this one the last, that make it persistent before the chronic phase.
    """
    run, out = 0, {}
    for day in sorted(up):
        run = run + 1 if up[day] else 0
        out[day] = up[day] and (run >= consecutive or phase[day] == "chronic")
    return out


def course(
    arm: pd.DataFrame, controls: pd.DataFrame, *, measure: str, options: ask.Options
) -> Course | None:
    """Compare every time of one course with its highest one; None without any time.

    Parameters
    ----------
    arm, controls
        Rows of one compartment and stratum, as :func:`senoscore.study.compare.prepared` gives them.
    measure
        ``fraction_senescent`` or ``index_mean``.
    options
        Confidence of the intervals and scale of the fraction.
    """
    if measure not in arm:
        return None
    observed = values(arm[arm[k.DAYS].notna()], measure)
    times = sorted(observed[k.DAYS].unique())
    if not times:
        return None
    level = observed.groupby(k.DAYS, observed=True)["y"].mean()
    peak = float(level.index.to_numpy(dtype=float)[int(level.to_numpy().argmax())])
    if len(times) == 1:
        return Course(peak, (), {}, "one time only")
    base = values(controls, measure).assign(**{k.DAYS: -1.0})
    both = pd.concat([observed, base], ignore_index=True)
    found = {
        day: ask.between_days(both, measure, peak, day, options=options)
        for day in times
        if day != peak
    }
    tested = {day: c for day, c in found.items() if c is not None and np.isfinite(c.p)}
    if not tested:
        return Course(peak, (), {}, _ALIKE)
    q = adjusted(np.array([c.p for c in tested.values()]))
    alike = [day for day, value in zip(tested, q, strict=True) if value > options.alpha]
    untested = [day for day in found if day not in tested]
    peak_set = tuple(sorted([peak, *alike, *untested]))
    later = {day: c for day, c in tested.items() if day > peak}
    return Course(peak, peak_set, later)
