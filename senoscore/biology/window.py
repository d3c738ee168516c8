"""State of every compartment over time, and what that leaves open: a read-out, never advice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from senoscore import names as k
from senoscore.biology.contrasts import (
    Contrasts,
    Course,
    Key,
    by_key,
    by_stratum,
    clock,
    contrasts_of,
    course,
    key_of,
    of_arm,
    persistent_at,
    same,
    window_contrasts,
)
from senoscore.biology.rules import ADVICE, Options, load_rules
from senoscore.errors import InputError
from senoscore.inference import ask
from senoscore.study import (
    ARM,
    NAMES,
    TRANSFORM,
    PhaseRules,
    phases,
    plain,
    prepared,
    strata,
    takes,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from senoscore.biology.rules import Rule, Rules


__all__ = ["ADVICE", "COLUMNS", "INSUFFICIENT", "PHASE_COLUMNS", "Window", "by_phase", "window"]

INSUFFICIENT: Final = "insufficient_evidence"
_FACTS: Final = (
    "burden", "acute", "sasp_early", "sasp_chronic", "interferon", "surveillance", "suppression",
    "fibrosis", "emt", "angiogenesis", "stemness", "senomorphic_pathway",
)  # fmt: skip
"""Facts with a column of their own in the table of phases."""
PHASE_COLUMNS: Final = (
    k.COMPARTMENT, "stratum", *ARM, "phase", "days", "n_control", "n_treated", "states", *_FACTS,
    "persistent", "readout", "opens_at_days", "flags", "evidence", "targets", "lacking", "note",
)  # fmt: skip


def by_phase(
    burden: pd.DataFrame, times: pd.DataFrame, targets: pd.DataFrame | None, options: Options
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Ask of every phase what the words of the rules ask.

    The contrasts are those of :func:`senoscore.trend` with the phase in the place of the day:
    all samples of a phase together against the controls of that phase (all controls where fewer
    than two subjects are), the differences between the times of a phase being part of the
    residual. They are families of their own, far smaller than those of single days.

    Returns
    -------
    The table of phases, and the contrasts behind it.
    """
    names = NAMES[options.scheme.scheme]
    number = {name: float(i) for i, name in enumerate(names, start=1)} | {"baseline": 0.0}
    coded = burden.copy()
    when = phases(burden[k.DAYS], scheme=options.scheme.scheme, cuts_days=options.scheme.cuts)
    coded[k.DAYS] = when["phase"].map(number).to_numpy(dtype=float)
    found = window_contrasts(coded, None, options, named="window_phase")
    phase_of = {value: name for name, value in number.items()}
    found["contrast"] = [
        title.replace(f" @ {day:.3g} d", f", {phase_of[day]} phase") if day in phase_of else title
        for title, day in zip(found["contrast"], found[k.DAYS], strict=True)
    ]
    rows: list[dict[str, Any]] = []
    sorted_out, by = by_stratum(found), [*ARM, "phase"]
    for (compartment, stratum), part in times.groupby(
        [k.COMPARTMENT, "stratum"], sort=False, observed=True
    ):
        table = by_key(str(compartment), str(stratum), sorted_out, options)
        head = {k.COMPARTMENT: compartment, "stratum": stratum}
        for key, group in part.groupby(by, dropna=False, sort=False, observed=True):
            named: dict[str, Any] = dict(zip(by, key, strict=True))
            at = key_of(named | {k.DAYS: number.get(named["phase"], np.nan)})
            contrasts = table.get(at, contrasts_of({}, options))
            rows.append(head | named | _phase(group, contrasts, targets, options))
    found[k.DAYS] = np.nan
    return pd.DataFrame(rows, columns=list(PHASE_COLUMNS)), found


def _phase(
    group: pd.DataFrame, contrasts: Contrasts, targets: pd.DataFrame | None, options: Options
) -> dict[str, Any]:
    rules = options.rules
    phase = str(group["phase"].iloc[0])
    facts = contrasts.verdicts(rules)
    chronic_up = phase == "chronic" and facts["burden"] == "up"
    lasting = group["state"].str.startswith("persistent").any() or chronic_up
    facts |= {
        "data": "no" if group["state"].eq("no_data").all() else "yes",
        "control": "no" if group["state"].eq("no_control").any() else "yes",
        "persistent": "yes" if lasting else "no",
        "resolving": "yes" if group["state"].eq("resolving").any() else "no",
        "phase": phase,
        "clock": clock(group[k.DAYS].max(), options.stable),
    }
    rules.combine(facts)
    words = [rule for rule in rules.words if rule.holds(facts)]
    lacking = [
        f"{rule.name}: {', '.join(rule.lacking(facts))}"
        for rule in rules.words
        if rule not in words
    ]
    names = [rule.name for rule in words]
    flags = [rule.name for rule in rules.flags if rule.holds(facts)]
    shown = contrasts.evidence(words or rules.words, rules) if facts["data"] == "yes" else []
    return {
        "days": ", ".join(f"{d:g}" for d in group[k.DAYS].dropna()),
        **contrasts.sizes(),
        "states": ", ".join(dict.fromkeys(group["state"])),
        **{fact: facts.get(fact, "absent") for fact in _FACTS},
        "persistent": facts["persistent"],
        "readout": "+".join(names) or INSUFFICIENT,
        "opens_at_days": group["opens_at_days"].iloc[0],
        "flags": "+".join(flags),
        "evidence": "; ".join(shown),
        "targets": _targets(targets, group, words, fdr=options.fdr),
        "lacking": "; ".join(lacking),
        "note": ADVICE,
    }


def _targets(
    targets: pd.DataFrame | None, group: pd.DataFrame, words: list[Rule], *, fdr: float
) -> str:
    """Target classes that senescent cells of this compartment express more, where a word asks."""
    kinds = [w.name.removesuffix("_candidate") for w in words if w.name.endswith("_candidate")]
    if not kinds:
        return ""
    if targets is None:
        return "not compared"
    # A list of truths, also of no row: whole samples have no senescent cells to compare.
    asked = [any(word in kind for word in kinds) for kind in targets["kind"].astype(str)]
    matching = targets[np.array(asked, dtype=bool)]
    for name in (k.COMPARTMENT, "stratum", *ARM):
        found = group[name].iloc[0]
        absent = matching[name].isna() | matching[name].eq("")  # as read, an empty text is missing
        matching = matching[absent if pd.isna(found) or found == "" else matching[name].eq(found)]
    higher = matching[
        (matching["status"] == k.TESTED) & (matching["q"] <= fdr) & (matching["estimate"] > 0)
    ]
    if higher.empty:
        tested = int((matching["status"] == k.TESTED).sum())
        return f"none of {len(matching)} classes higher in senescent cells ({tested} tested)"
    return "; ".join(
        f"{r.target} {r.estimate:+.2g} [{r.ci_lo:.2g}, {r.ci_hi:.2g}], q {r.q:.2g}, "
        f"{r.n_samples:g} samples"
        for r in higher.itertuples()
    )


COLUMNS: Final = (
    k.COMPARTMENT, "stratum", *ARM, k.DAYS, "phase", "phase_boundary", "n_control", "n_treated",
    "fraction", "excess", "burden", "state", "readout", "flags", "opens_at_days",
    "peak_days", "peak_set_days", "timing", "evidence", "note",
    "use",
)  # fmt: skip


@dataclass(frozen=True, repr=False)
class Window:
    """What :func:`window` gives.

    ``times`` has one row a compartment, stratum, arm (treatment, dose, fractions, modality)
    and day; ``phases`` one a compartment, stratum, arm and phase with its read-out; ``contrasts``
    every contrast that was read. ``stratum`` is that of the trend: assay, organism and region
    where a run has several.
    """

    times: pd.DataFrame
    phases: pd.DataFrame
    contrasts: pd.DataFrame

    def __repr__(self) -> str:
        """How many rows each table has."""
        rows = (f"{name}: {len(table)} rows" for name, table in vars(self).items())
        return f"Window({', '.join(rows)})"


@takes(burden="sen.burden(adata)", trend="sen.trend(sen.burden(adata))")
def window(
    burden: pd.DataFrame,
    trend: pd.DataFrame,
    *,
    targets: pd.DataFrame | None = None,
    control: str = k.CONTROL,
    scheme: str = "three",
    cuts_days: Sequence[float] | None = None,
    min_days_stable: float = 7.0,
    alpha: float = 0.05,
    fdr: float = 0.05,
    min_excess: float = 0.05,
    consecutive: int = 2,
    min_cells: int = 30,
    transform: str = TRANSFORM,
    rules: Path | None = None,
) -> Window:
    """Read the state of every compartment at every time off contrasts with control.

    Research use, not medical advice. Nothing is estimated here that is not in the contrasts: a
    state or word holds where its rule does, and names the contrasts behind it.

    Parameters
    ----------
    burden
        As :func:`senoscore.burden` gives it. Scores that the rules ask for and that have no
        ``mean:`` column count as absent.
    trend
        As :func:`senoscore.trend` gives it.
    targets
        As :func:`senoscore.targets` gives it, to stand beside ``senolytic_candidate``.
    control
        Treatment that means not irradiated.
    scheme, cuts_days
        As in :func:`senoscore.phases`.
    min_days_stable
        Days before which the pattern is an acute damage response.
    alpha
        1 - confidence of intervals.
    fdr
        q at or below which a contrast holds.
    min_excess
        Difference of mean fractions (0..1) below which a burden does not count as raised.
    consecutive
        Times in a row at which a burden must hold to be persistent before the chronic phase.
    min_cells
        Cells below which a group of compartments (NK and T cells) is not read in a sample.
    transform
        Scale of the fractions, as in the trend.
    rules
        Another file in place of the shipped ``window.yaml``.

    Returns
    -------
    A :class:`Window`.

    Raises
    ------
    InputError
        A table lacks a column.
    ConfigError
        The phases or the rules file are wrong.

    Notes
    -----
    The window opens (``opens_at_days``) at the first time at which the contrast of the burden
    with control (:func:`senoscore.trend`) is above 0 and holds after Benjamini-Hochberg.
    ``peak_set_days`` are the times that cannot be told from the highest one: a peak is never one
    day.

    Examples
    --------
    >>> course = sen.window(burden, trend)
    >>> course
    Window(times: 12 rows, phases: 12 rows, contrasts: 178 rows)
    >>> course.times.query("compartment == 'tumour'")[["treatment", "days_post_rt", "state"]]
                     treatment  days_post_rt         state
    10              irradiated          28.0  accumulating
    11  irradiated + senolytic          28.0  accumulating
    """
    for name, table, needed in (
        ("burden", burden, (k.SAMPLE, k.COMPARTMENT, k.TREATMENT, k.DOSE, k.DAYS, "status")),
        ("trend", trend, ("question", "measure", "contrast", "stratum", *ARM, "status", "q")),
    ):
        missing = [c for c in needed if c not in table]
        if missing:
            msg = f"the {name} table has no column {missing[0]!r}"
            raise InputError(msg, fix=f"make it with senoscore.{name}")
    options = Options(
        load_rules(rules), PhaseRules.of(scheme, cuts_days), control, alpha, fdr,
        min_days_stable, min_excess, consecutive, min_cells, transform,
    )  # fmt: skip
    burden, trend = plain(burden), plain(trend)
    targets = None if targets is None else plain(targets)
    readable = _readable(burden)
    found = window_contrasts(readable, trend, options, named="window_time")
    sorted_out = by_stratum(found)
    rows: list[dict[str, Any]] = []
    table = prepared(readable, transform, control=control)
    named = table[table[k.COMPARTMENT] != k.UNASSIGNED]
    for compartment, group in named.groupby(k.COMPARTMENT, sort=True, observed=True):
        for part in strata(group, control=control):
            if not _empty(part.table).all():
                head = {k.COMPARTMENT: str(compartment), "stratum": part.name}
                contrasts = by_key(str(compartment), part.name, sorted_out, options)
                rows += _stratum(head, part.table, contrasts, options)
    times = pd.DataFrame(rows, columns=list(COLUMNS))
    by, phased = by_phase(readable, times, targets, options)
    where = [k.COMPARTMENT, "stratum", *ARM, "phase"]
    last = dict(zip(_keys_of(by, where), by["readout"], strict=True))
    times["readout"] = [last.get(key, "") for key in _keys_of(times, where)]
    return Window(times, by, pd.concat([found, phased], ignore_index=True))


def _readable(burden: pd.DataFrame) -> pd.DataFrame:
    """Rows of compartments that have a value in some sample; the others have no window."""
    known = burden[k.COMPARTMENT][~_empty(burden)].unique()
    return burden[burden[k.COMPARTMENT].isin(known)]


def _empty(burden: pd.DataFrame) -> pd.Series:
    return burden["status"].isin(["absent", "not_assessable"])


def _stratum(
    head: Mapping[str, str],
    group: pd.DataFrame,
    contrasts: Mapping[Key, Contrasts],
    options: Options,
) -> list[dict[str, Any]]:
    """Rows of one compartment and stratum, arm by arm."""
    treated = group[group[k.TREATMENT] != options.control]
    wanted = treated[[*ARM, k.DAYS]].drop_duplicates()
    keys = sorted(
        {key_of(row) for row in wanted.to_dict("records")},
        key=lambda key: tuple((v is None, v if v is not None else 0) for v in key),
    )
    rows: list[dict[str, Any]] = []
    for arm in dict.fromkeys(key[:-1] for key in keys):
        of_arm = [key for key in keys if key[:-1] == arm]
        found = {key: contrasts.get(key, contrasts_of({}, options)) for key in of_arm}
        rows += [dict(head) | row for row in _arm(group, found, options)]
    return rows


def _arm(
    group: pd.DataFrame, found: Mapping[Key, Contrasts], options: Options
) -> list[dict[str, Any]]:
    """Rows of one arm, in order of time."""
    first = next(iter(found))
    stages = phases(
        [np.nan if key[-1] is None else key[-1] for key in found],
        scheme=options.scheme.scheme, cuts_days=options.scheme.cuts,
    )  # fmt: skip
    phase_of = {key: str(p) for key, p in zip(found, stages["phase"], strict=True)}
    verdicts = {key: contrasts.verdicts(options.rules) for key, contrasts in found.items()}
    up = {
        key[-1]: verdicts[key]["burden"] == "up"
        for key in found
        if key[-1] is not None and key[-1] >= options.stable
    }
    day_phase = {key[-1]: phase_of[key] for key in found if key[-1] is not None}
    lasting = persistent_at(up, day_phase, consecutive=options.consecutive)
    curve = _curve(group[of_arm(group, first)], group, found, options)
    opens = min((day for day, held in up.items() if held), default=np.nan)
    rows = []
    for position, key in enumerate(found):
        facts = verdicts[key] | _computed(group, key, phase_of[key], options)
        facts["persistent"] = "yes" if key[-1] in lasting and lasting[key[-1]] else "no"
        facts["resolving"] = "yes" if _resolving(key[-1], up, curve) else "no"
        options.rules.combine(facts)
        near = bool(stages["phase_boundary"].iloc[position])
        rows.append(
            {
                name: np.nan if value is None else value
                for name, value in zip((*ARM, k.DAYS), key, strict=True)
            }
            | {
                "phase": phase_of[key], "phase_boundary": near, "use": ADVICE,
            }
            | _numbers(group, key, found[key], facts)
            | _judged(facts, found[key], up, key, options.rules)
            | _course_columns(curve, opens)
        )  # fmt: skip
    return rows


def _curve(
    mine: pd.DataFrame, group: pd.DataFrame, found: Mapping[Key, Contrasts], options: Options
) -> Course | None:
    burdens = [contrasts.rows.get("burden") for contrasts in found.values()]
    used = [row["measure"] for row in burdens if row is not None]
    if not used:
        return None
    controls = group[group[k.TREATMENT] == options.control]
    own = ask.Options.of(
        None, control=options.control, alpha=options.alpha, transform=options.transform
    )
    return course(mine, controls, measure=str(used[-1]), options=own)


def _rows_at(group: pd.DataFrame, key: Key) -> pd.DataFrame:
    return group[of_arm(group, key) & same(group[k.DAYS], key[-1])]


def _computed(group: pd.DataFrame, key: Key, phase: str, options: Options) -> dict[str, str]:
    sampled = _rows_at(group, key)
    readable = sampled["status"].isin(["ok", "acute", "no_time", "other_depth", "profile"])
    return {
        "data": "yes" if (readable | sampled["status"].eq("no_control")).any() else "no",
        "control": "no" if sampled["status"].isin(["no_control"]).any() else "yes",
        "phase": phase,
        "clock": clock(key[-1], options.stable),
    }


def _resolving(day: float | None, up: Mapping[float, bool], curve: Course | None) -> bool:
    """Below the highest time, with an interval that leaves 0 out, after a burden that held."""
    if day is None or curve is None or day not in curve.below_peak or up.get(day, False):
        return False
    return any(held for d, held in up.items() if d < day) and curve.below_peak[day].hi < 0


def _numbers(
    group: pd.DataFrame, key: Key, contrasts: Contrasts, facts: Mapping[str, str]
) -> dict[str, Any]:
    sampled = _rows_at(group, key)
    main = contrasts.burden
    statuses = sampled["status"].value_counts()
    absent = [f"{n} sample(s) {s}" for s, n in statuses.items() if s not in ("ok", "acute")]
    reason = "" if main is None or main["status"] == k.TESTED else str(main["reason"])
    return {
        **contrasts.sizes(),
        "fraction": sampled["fraction"].mean() if "fraction" in sampled else np.nan,
        "excess": sampled["excess"].mean() if "excess" in sampled else np.nan,
        "burden": facts["burden"],
        "note": "; ".join(filter(None, [*absent, reason])),
    }


def _judged(
    facts: Mapping[str, str], contrasts: Contrasts, up: Mapping[float, bool], key: Key, rules: Rules
) -> dict[str, Any]:
    state = next(rule for rule in rules.states if rule.holds(facts))
    flags = [rule for rule in rules.flags if rule.holds(facts)]
    shown = [] if state.name == "no_data" else contrasts.evidence([state, *flags], rules)
    if facts["persistent"] == "yes" and key[-1] is not None:
        days = ", ".join(f"{d:g}" for d in sorted(up) if up[d] and d <= key[-1])
        shown.append(f"persistent: raised at day {days}")
    return {
        "state": state.name,
        "flags": "+".join(rule.name for rule in flags),
        "timing": state.timing,
        "evidence": "; ".join(shown),
    }


def _course_columns(curve: Course | None, opens: float) -> dict[str, Any]:
    if curve is None:
        return {"opens_at_days": opens, "peak_days": np.nan, "peak_set_days": ""}
    days = ", ".join(f"{d:g}" for d in curve.peak_set)
    return {
        "opens_at_days": opens,
        "peak_days": curve.peak,
        "peak_set_days": days or f"not_estimable: {curve.why_not}",
    }


def _keys_of(table: pd.DataFrame, columns: list[str]) -> list[tuple[Any, ...]]:
    """Rows as keys; None where a number is missing, for NaN is not equal to itself."""
    rows = table[columns].itertuples(index=False, name=None)
    return [tuple(None if pd.isna(v) else v for v in row) for row in rows]
