"""The first screen: per compartment, is it senescent, how much, since when, with what SASP."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np
import pandas as pd
from scipy import special

from senoscore import names as k
from senoscore.errors import InputError
from senoscore.kernels import t_ppf
from senoscore.plotting import Arm, arms, heatmap_table, main_arm, sasp_families, theme, tidy
from senoscore.report.learnt import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from senoscore.report.load import Run


__all__ = [
    "ACUTE",
    "FEWEST",
    "NO",
    "UNKNOWN",
    "UNTESTED",
    "WEAK",
    "YES",
    "Amount",
    "Answer",
    "Points",
    "amount",
    "answers",
    "curve",
    "highest",
    "noncentrality",
    "signed",
]

_POWER: Final = 0.8
_ROUNDING: Final = 1e-6
"""Tables have six digits."""
_GIVEN: Final = ("n_fractions", "modality")
_KINDS: Final = ("assay", "organism", "region")


@dataclass(frozen=True)
class Amount:
    """What a contrast says of an amount, as text.

    ``seen``: the smallest true excess that the contrast shows with a power of 80 %; empty where
    it has no standard error.
    """

    text: str
    note: str
    seen: str = ""


def amount(
    row: Mapping[str, Any],
    treated: pd.DataFrame,
    arm: Arm,
    *,
    half: float | None,
    alpha: float,
) -> Amount:
    """Word the excess over control; everything in it is of one row of the trend table.

    An interval in log odds (or arcsine) has no width in points until it is laid at a level. It is
    laid at that of the controls: the mean of the irradiated samples on the scale of the model,
    less the estimate.

    Parameters
    ----------
    row
        The contrast; empty where there is none.
    treated
        Irradiated samples of the compartment with their ``value``; those of the contrast are
        looked up.
    arm
        Treatment and dose of the contrast.
    half
        Half a cell of the median sample, which the trend adds to a fraction before its logit;
        None where the value is an index and no fraction.
    alpha
        Level at which a true excess is to be seen.
    """
    points, unit = half is not None, " points" if half is not None else ""
    at = _samples_of(row, treated[arm.rows(treated)])
    when = f"{tidy.day_label(at[k.DAYS].iloc[0] if len(at) else row[k.DAYS])} ({arm.said})"
    mean = _mean(at["value"], at)
    estimate = row.get("estimate", np.nan)
    difference = row.get("estimate_fraction", np.nan) if points else estimate
    if not np.isfinite(difference):
        # A share or an index with nothing to compare it with is no excess.
        said = f"{tidy.percent(mean)} of cells" if points else f"mean index {tidy.number(mean)}"
        return Amount("–", f"{said} at {when}; no contrast with controls")
    if points:
        said = f"{tidy.percent(mean)} at {when} against {_share(mean - difference)}"
        note = f"{said} in controls"
    else:
        note = f"mean index at {when}, difference from its controls"
    scale = float if half is None else _in_points(row, at, half)
    if np.isfinite(row["ci_lo"]) and scale is not None:
        low, high = (_number(scale(row[name]), points=points) for name in ("ci_lo", "ci_hi"))
        note += f"; 95 % CI {low} to {high}{unit}"
    else:
        note += "; no interval"
    n = [tidy.number(row[name]) for name in ("n_treated", "n_control")]
    note += f"; {n[0]} irradiated, {n[1]} control samples"
    smallest = np.nan if scale is None else scale(_smallest(row, alpha))
    seen = f"{_number(smallest, points=points)}{unit or ' of the index'}"
    text = f"{100 * difference:+.1f}".replace("-", "−") if points else signed(difference)
    return Amount(f"{text}{unit}", note, seen if np.isfinite(smallest) else "")


def _share(value: float) -> str:
    """A share as a difference of two; what is left of rounding is nothing, not a little."""
    return tidy.percent(0.0 if abs(value) < _ROUNDING else value)


def signed(value: float, digits: int = 3) -> str:
    """Format a difference with its sign."""
    text = tidy.number(value, digits)
    return f"+{text}" if value > 0 else text


@lru_cache(maxsize=64)
def noncentrality(df: float, alpha: float) -> float:
    """Smallest true value, in standard errors, that a two-sided t test shows with 80 % power.

    The tail on the other side is left out, as in R's ``power.t.test``.
    """
    return float(special.nctdtrinc(df, 1 - _POWER, t_ppf(1 - alpha / 2, df)))


def _smallest(row: Mapping[str, Any], alpha: float) -> float:
    """Smallest true excess on the scale of the model that had 80 % power."""
    statistic, df = row.get("statistic", np.nan), row.get("df", np.nan)
    if not (np.isfinite(statistic) and np.isfinite(df)) or statistic == 0 or df < 1:
        return np.nan
    return noncentrality(float(df), alpha) * abs(float(row["estimate"] / statistic))


def _in_points(
    row: Mapping[str, Any], at: pd.DataFrame, half: float
) -> Callable[[float], float] | None:
    """Turn shifts on the scale of the model into differences of fractions at the controls' level.

    None where the samples of the contrast are not in the burden table.
    """
    forward, back = _scales(str(row.get("unit", "")), half)
    if at.empty:
        return None
    level = _mean(forward(at["value"]), at) - float(row["estimate"])
    return lambda shift: back(level + shift) - back(level)


def _scales(unit: str, half: float) -> tuple[Callable[[Any], Any], Callable[[float], float]]:
    """From fractions to the scale of the trend table (log odds or arcsine), and back."""
    if unit == "log odds":
        return (
            lambda f: special.logit((f + half) / (1 + 2 * half)),
            lambda y: float(np.clip(special.expit(y) * (1 + 2 * half) - half, 0, 1)),
        )
    return (
        lambda f: np.arcsin(np.sqrt(f)),
        lambda y: float(np.sin(np.clip(y, 0, np.pi / 2)) ** 2),
    )


def _samples_of(row: Mapping[str, Any], treated: pd.DataFrame) -> pd.DataFrame:
    """Samples of an arm behind a contrast; without one, those of the time with the largest mean."""
    if not row:
        means = treated.groupby(k.DAYS, observed=True)["value"].mean()
        return treated[treated[k.DAYS] == means.idxmax()] if len(means) else treated
    at = treated[treated[k.DAYS] == row[k.DAYS]]
    for name in (name for name in _GIVEN if name in row and name in at):
        values = at[name].astype(object).where(at[name].notna(), "")
        at = at[values == ("" if pd.isna(row[name]) else row[name])]
    kinds = [name for name in _KINDS if name in at]
    for word in filter(None, str(row["stratum"]).split(", ")):
        at = at[at[kinds].astype(str).eq(word).any(axis=1)]
    return at


def _mean(values: pd.Series, at: pd.DataFrame) -> float:
    """Mean over subjects, samples of one averaged first: what the contrasts compare."""
    subject = at[k.SUBJECT].where(at[k.SUBJECT] != "", at[k.SAMPLE])
    return float(values.groupby(subject, observed=True).mean().mean())


def _number(value: float, *, points: bool) -> str:
    return f"{100 * value:.1f}".replace("-", "−") if points else tidy.number(value)


Points: TypeAlias = tuple[tuple[float, float], ...]
"""Places in a box of 100 x 28, origin on top left."""


def highest(table: pd.DataFrame, column: str, control: str) -> float:
    """Return the largest value of any compartment: all small curves share one scale."""
    values = tidy.column(table, column)[~tidy.is_control(table, control)]
    return max(float(values.max()), 0.02) if values.notna().any() else 0.02


def curve(treated: pd.DataFrame, top: float) -> tuple[Points, Points]:
    """Dots and mean line of a small curve, in a box of 100 x 28 with the origin on top left."""
    rows = treated[treated[k.DAYS].notna()]
    if "status" in rows:  # before senescence can be claimed there is none to draw
        rows = rows[rows["status"] != "acute"]
    if rows.empty:
        return (), ()
    x = np.log1p(rows[k.DAYS].clip(lower=0)) / max(np.log1p(rows[k.DAYS].max()), 1e-9)
    low = min(0.0, rows["value"].min())
    box = pd.DataFrame({"x": 3 + 94 * x, "y": 25 - 22 * (rows["value"] - low) / (top - low)})
    line = box.groupby("x", as_index=False, observed=True).agg(y=("y", "mean"))
    return _pairs(box), _pairs(line)


def _pairs(table: pd.DataFrame) -> Points:
    return tuple((round(float(a), 1), round(float(b), 1)) for a, b in table[["x", "y"]].to_numpy())


YES: Final = "above control"
NO: Final = "not detected"
WEAK: Final = "too few samples"
ACUTE: Final = "acute damage response"
UNTESTED: Final = "no test possible"
UNKNOWN: Final = "not assessable"
FEWEST: Final = 2
"""Samples in the smaller group up to which “not detected” would say more than was looked for."""
_ASSESSED: Final = ("ok", "acute", "profile")
_SMALL: Final = 0.2
"""Mean difference under which an untested SASP family is not worth naming (control SD)."""
_QUESTION = "irradiated_vs_control"
_FRACTION = "fraction_senescent"
_ACUTE: Final = "fraction_acute"


@dataclass(frozen=True)
class Answer:
    """What the page says of one compartment, each field a finished text.

    ``acute``: since when an acute damage response holds; ``seen``: the smallest true excess that
    the study shows with a power of 80 %. Empty where there is none.
    """

    compartment: str
    name: str
    verdict: str
    amount: str
    amount_note: str
    since: str
    since_note: str
    sasp: tuple[str, ...]
    sasp_note: str
    animals: str
    animals_note: str
    by_index: bool = False
    acute: str = ""
    seen: str = ""
    groups: str = ""
    """Samples of the two groups, ``3 against 2 samples``."""
    spark: Points = ()
    spark_line: Points = ()


def answers(
    run: Run, *, control: str = k.CONTROL, alpha: float = 0.05, stable: float = 7.0
) -> list[Answer]:
    """One answer per compartment, those compared most first; empty without a burden table.

    Compartments of a few stray cells have none. What was sampled before day ``stable`` is an acute
    damage response and enters no answer about senescence.
    """
    burden = run.get("burden")
    if burden is None:
        return []
    table, trend = _of_radiation(tidy.with_defaults(burden), run.get("trend"), control)
    order = theme.known_first(table[k.COMPARTMENT], theme.COMPARTMENT_COLOURS)
    passed_over = {k.UNASSIGNED, *tidy.stray(table)}
    order = [name for name in order if name not in passed_over]
    asked = _Asked(control, alpha, stable)
    return [_answer(name, table, trend, asked) for name in order]


def _of_radiation(
    table: pd.DataFrame, trend: pd.DataFrame | None, control: str
) -> tuple[pd.DataFrame, pd.DataFrame | None]:
    """Leave to the answers on drugs what is no answer on radiation.

    Controls and irradiated samples, of these the ones without a drug where there are any.
    """
    if k.GIVEN not in table:
        return table, trend
    treatment = table[k.TREATMENT].astype(str)
    irradiated = tidy.is_irradiated(table, control)
    bare = irradiated & treatment.eq(table[k.GIVEN].astype(str))
    kept = table[tidy.is_control(table, control) | (bare if bare.any() else irradiated)]
    if trend is not None and k.TREATMENT in trend:
        trend = trend[trend[k.TREATMENT].isin(set(kept[k.TREATMENT])) | trend[k.TREATMENT].isna()]
    return kept.reset_index(drop=True), trend


def _measures(part: pd.DataFrame) -> tuple[str, set[str]]:
    """Column of the burden table to speak of, and its names in the trend table."""
    if part["fraction"].notna().any():
        return "fraction", {_FRACTION, _ACUTE}
    return "index_mean", {"index_mean"}


@dataclass(frozen=True)
class _Asked:
    """What all answers of a page are asked with."""

    control: str
    alpha: float
    stable: float


def _answer(name: str, table: pd.DataFrame, trend: pd.DataFrame | None, asked: _Asked) -> Answer:
    part = table[table[k.COMPARTMENT] == name]
    column, measures = _measures(part)
    part = part.assign(
        value=tidy.column(part, column), control=tidy.is_control(part, asked.control)
    )
    usable = part["value"].notna() & part["status"].isin(_ASSESSED)
    samples = part[usable & ~part["control"]]
    rows = _contrasts(trend, name, measures)
    late, early = rows[rows[k.DAYS] >= asked.stable], rows[rows[k.DAYS] < asked.stable]
    treated = samples[samples[k.DAYS] >= asked.stable]
    by_index = column != "fraction"
    half = None if by_index else float(0.5 / part.loc[usable, "n_assessable"].median())
    response, from_day = _held(early, asked.alpha), tidy.day_label(asked.stable)
    acute = f"from {tidy.day_label(response[k.DAYS].min())}" if len(response) else ""
    if treated.empty:
        if not acute:
            return _nothing(name, part, samples, asked.stable)
        row = _shown(early, response)
        arm = _arm_of(row, table, samples, asked.control)
        found = amount(row, samples, arm, half=half, alpha=asked.alpha)
        return Answer(
            name, theme.pretty(name), ACUTE,
            "–", f"acute, not senescence: {found.text}; {found.note}",
            "–", f"acute damage response {acute}; senescence can be claimed from {from_day}",
            (), f"not read before {from_day}", *_animals(early, response, row), by_index, acute,
        )  # fmt: skip
    held = _held(late, asked.alpha)
    row = _shown(late, held)
    arm = _arm_of(row, table, treated, asked.control)
    verdict = _verdict(late, held)
    found = amount(row, treated, arm, half=half, alpha=asked.alpha)
    what = "" if by_index else counted(part)
    told = f"{found.note}; counted are {what}" if what else found.note
    several = len(arms(table, asked.control)) > 1
    since, since_note = _since(late, held, asked.alpha, several=several)
    since_note += f"; acute damage response {acute}" if acute else ""
    families, sasp_note = _sasp(table, trend, name, row, arm, asked)
    animals, animals_note = _animals(late, held, row)
    if animals == UNTESTED:
        animals, animals_note = _overall(trend, name, measures) or (animals, animals_note)
    seen = found.seen if verdict in (NO, WEAK) else ""
    if seen:
        animals_note += f"; an excess of {seen} or more would have been seen"
    points, line = curve(treated, highest(table, column, asked.control))
    return Answer(
        name, theme.pretty(name), verdict, found.text, told, since, since_note,
        families, sasp_note, animals, animals_note, by_index, acute, seen, _groups(row), points,
        line,
    )  # fmt: skip


def _held(rows: pd.DataFrame, alpha: float) -> pd.DataFrame:
    return rows[(rows["q"] <= alpha) & (rows["estimate"] > 0)]


def _contrasts(trend: pd.DataFrame | None, name: str, measures: set[str]) -> pd.DataFrame:
    numbers = [
        k.DAYS, "estimate", "ci_lo", "ci_hi", "estimate_fraction", "df", "statistic", "p", "q",
        "n_control", "n_treated",
    ]  # fmt: skip
    texts = ["status", "reason", "unit", "contrast", "stratum"]
    if trend is None:
        return pd.DataFrame(columns=[*numbers, *texts])
    asked = (trend[k.COMPARTMENT] == name) & (trend["question"] == _QUESTION)
    rows = trend[asked & trend["measure"].isin(measures)].copy()
    for c in numbers:
        rows[c] = tidy.column(rows, c)
    for c in texts:
        values = rows[c] if c in rows else pd.Series("", index=rows.index)
        rows[c] = values.astype(object).where(values.notna(), "").astype(str)
    return rows


def _nothing(name: str, part: pd.DataFrame, samples: pd.DataFrame, stable: float) -> Answer:
    """Word the answer of a compartment without any irradiated sample late enough to assess."""
    treated = part[~part["control"]]
    out = treated[~treated["status"].isin(_ASSESSED)]
    if len(samples):
        timed = samples[k.DAYS].notna().any()
        note = f"no sample is of day {stable:g} or later" if timed else "no time after irradiation"
        note += ": senescence cannot be claimed; no acute damage response is shown" if timed else ""
    elif len(out):
        status = out["status"].mode().iloc[0]
        notes = [n for n in out.loc[out["status"] == status, "note"].unique() if n]
        said = f"{str(status).replace('_', ' ')} in {out[k.SAMPLE].nunique()} samples"
        note = notes[0] if notes else said
    else:
        note = "no value in any irradiated sample"
    return Answer(name, theme.pretty(name), UNKNOWN, "–", note, "–", "", (), "", "–", "")


def _arm_of(row: dict[str, Any], table: pd.DataFrame, samples: pd.DataFrame, control: str) -> Arm:
    """Treatment and dose that a contrast is about; without one, those that most samples have."""
    title = str(row.get("contrast", ""))
    found = [arm for arm in arms(table, control) if arm.named_in(title)]
    return found[0] if found else main_arm(samples, control)


def _verdict(rows: pd.DataFrame, held: pd.DataFrame) -> str:
    if not held.empty:
        return YES
    tested = rows[rows["q"].notna()]
    if tested.empty:
        return UNTESTED
    smaller = tested[["n_control", "n_treated"]].min(axis=1)
    return WEAK if smaller.max() <= FEWEST else NO


def _shown(rows: pd.DataFrame, held: pd.DataFrame) -> dict[str, Any]:
    """Return the one contrast that a card is about: the largest that holds, else that was tested.

    Empty where no contrast has an estimate.
    """
    for usable in (held, rows[rows["q"].notna()], rows[rows["estimate"].notna()]):
        if not usable.empty:
            return dict(usable.iloc[int(usable["estimate"].to_numpy().argmax())])
    return {}


def _since(
    rows: pd.DataFrame, held: pd.DataFrame, alpha: float, *, several: bool
) -> tuple[str, str]:
    """First time above control, and at how many of the times that could be tested."""
    tested = rows[rows["q"].notna()]
    if held.empty:
        below = tested[(tested["q"] <= alpha) & (tested["estimate"] < 0)]
        days = [tidy.day_label(d) for d in sorted(below[k.DAYS].unique())]
        lower_at = f"; below control at {', '.join(days)}" if days else ""
        n = len(tested)
        times = "the one time tested" if n == 1 else f"any of {n} times tested"
        said = f"not above control at {times}{lower_at}"
        return "–", said if n else "no time was testable"
    arm = str(held.sort_values(k.DAYS)["contrast"].iloc[0]).split(" vs ")[0]
    holding, asked = (t[t["contrast"].str.startswith(f"{arm} vs ")] for t in (held, tested))
    days = sorted(holding[k.DAYS].unique())
    later = [tidy.day_label(d) for d in sorted(asked[k.DAYS].unique()) if d > days[-1]]
    gone = f"; not shown at {', '.join(later)}" if later else ""
    which = f"{arm.removeprefix(k.IRRADIATED).strip()}: " if several else ""
    n = asked[k.DAYS].nunique()
    if n == 1:  # nobody knows since when
        return f"at {tidy.day_label(days[0])}", f"{which}above control at the one time tested"
    return (
        f"from {tidy.day_label(days[0])}",
        f"{which}above control at {len(days)} of {n} times tested{gone}",
    )


def _sasp(
    table: pd.DataFrame,
    trend: pd.DataFrame | None,
    name: str,
    row: dict[str, Any],
    arm: Arm,
    asked: _Asked,
) -> tuple[tuple[str, ...], str]:
    """Three families furthest above control beside a contrast, with their q where tested."""
    families = sasp_families(table)
    if not families:
        return (), "no SASP axis in the tables"
    if not row:
        return (), "no contrast with controls"
    part = table[table[k.COMPARTMENT] == name]
    try:
        cells = heatmap_table(part, trend, axes=families, control=asked.control, arm=arm)
    except InputError:
        return (), "no SASP axis has a value in irradiated and in control samples"
    whole = [f for f in families if f.removeprefix("z:") == "sasp"]
    if len(families) > len(whole):
        cells = cells[~cells["axis"].isin(whole)]
    day = tidy.day_label(row[k.DAYS])
    near = cells[(cells["days"] == row[k.DAYS]) & cells["stratum"].isin(["", row["stratum"]])]
    top = near[near["difference"] > 0].nlargest(3, "difference")
    out = []
    tested = False
    for family in tidy.rows(top):
        axis, q = family.axis.removeprefix("z:"), family.q
        tested |= bool(np.isfinite(q))
        if (np.isfinite(q) and q > asked.alpha) or (np.isnan(q) and family.difference < _SMALL):
            continue
        label = theme.pretty(axis).removeprefix("SASP ")
        text = f"{label[:1].upper()}{label[1:]} {signed(family.difference, 2)}"
        shown = f" (q\u00a0{tidy.p_value(q)})" if np.isfinite(q) else ""
        out.append(text + shown.replace("< ", "<\u00a0"))
    if not out:
        if not tested:
            return (), f"no SASP family above control at {day}, none tested"
        return (), (
            f"no SASP family clearly above control at {day} (corrected for the number of families)"
        )
    return tuple(out), f"control SDs over control at {day}" + ("" if tested else ", not tested")


def _groups(row: dict[str, Any]) -> str:
    """Samples of a contrast, ``3 against 2 samples``."""
    sizes = [row.get(name, np.nan) for name in ("n_treated", "n_control")]
    if not all(np.isfinite(n) for n in sizes):
        return ""
    return f"{tidy.number(sizes[0])} against {tidy.number(sizes[1])} samples"


def _animals(rows: pd.DataFrame, held: pd.DataFrame, row: dict[str, Any]) -> tuple[str, str]:
    """Say whether it is real at the level of samples: p, q and n, or why there is none."""
    if not np.isfinite(row.get("q", np.nan)):
        reasons = [r for r in rows["reason"].unique() if r]
        return UNTESTED, reasons[0] if reasons else "no contrast in the trend table"
    n = f"n = {tidy.number(row['n_treated'])} vs {tidy.number(row['n_control'])} samples"
    note = f"p {_eq(row['p'])}, {n}, {tidy.day_label(row[k.DAYS])}"
    if min(row["n_treated"], row["n_control"]) <= FEWEST:
        note += f"; {FEWEST} or fewer in a group: the interval is very wide"
    if held.empty:
        note += "; this is no proof that there is none"
    return f"q {_eq(row['q'])}", note


def _overall(trend: pd.DataFrame | None, name: str, measures: set[str]) -> tuple[str, str] | None:
    """Word the trend in log(1 + days): all that one sample per time can test."""
    if trend is None:
        return None
    asked = (trend[k.COMPARTMENT] == name) & (trend["question"] == "trend_log1p_days")
    rows = trend[asked & trend["measure"].isin(measures)]
    tested = rows[tidy.column(rows, "p").notna()]
    if tested.empty:
        return None
    row = tested.iloc[0]
    note = f"no single time is testable; slope over log(1 + days) {signed(row['estimate'])}"
    return "overall trend only", f"{note}, p {_eq(row['p'])}"


def _eq(value: float) -> str:
    text = tidy.p_value(value)
    return text if text.startswith("<") else f"= {text}"
