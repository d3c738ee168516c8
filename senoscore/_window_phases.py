"""One row a phase: contrasts over all times of the phase, the words that hold, their evidence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from senoscore import _keys as k
from senoscore._phases import NAMES, phases
from senoscore._trend_data import ARM
from senoscore._window_contrasts import (
    by_key,
    clock,
    evidence,
    key_of,
    testable,
    verdict,
    window_contrasts,
)
from senoscore._window_rules import ADVICE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from senoscore._window_rules import Options, Rule

__all__ = ["INSUFFICIENT", "PHASE_COLUMNS", "by_phase"]

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
    by = [*ARM, "phase"]
    for (compartment, stratum), own in times.groupby([k.COMPARTMENT, "stratum"], sort=False):
        table = by_key(str(compartment), str(stratum), found, options.rules)
        head = {k.COMPARTMENT: compartment, "stratum": stratum}
        for key, of in own.groupby(by, dropna=False, sort=False):
            named: dict[str, Any] = dict(zip(by, key, strict=True))
            facts = table.get(key_of(named | {k.DAYS: number.get(named["phase"], np.nan)}), {})
            rows.append(head | named | _phase(of, facts, targets, options))
    found[k.DAYS] = np.nan
    return pd.DataFrame(rows, columns=list(PHASE_COLUMNS)), found


def _phase(
    of: pd.DataFrame, own: Mapping[str, pd.Series], targets: pd.DataFrame | None, options: Options
) -> dict[str, Any]:
    rules = options.rules
    phase = str(of["phase"].iloc[0])
    facts = {
        fact: verdict(
            own.get(fact), fdr=options.fdr,
            min_excess=options.min_excess if fact == "burden" else 0.0,
        )
        for fact in rules.measures
    }  # fmt: skip
    main = own.get("burden", own.get("acute"))
    chronic_up = phase == "chronic" and facts["burden"] == "up"
    lasting = of["state"].str.startswith("persistent").any() or chronic_up
    facts |= {
        "data": "no" if of["state"].eq("no_data").all() else "yes",
        "control": "no" if of["state"].eq("no_control").any() else "yes",
        **testable(main),
        "persistent": "yes" if lasting else "no",
        "resolving": "yes" if of["state"].eq("resolving").any() else "no",
        "phase": phase,
        "clock": clock(of[k.DAYS].max(), options.stable),
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
    shown = evidence(words or rules.words, own, rules) if facts["data"] == "yes" else []
    return {
        "days": ", ".join(f"{d:g}" for d in of[k.DAYS].dropna()),
        "n_control": 0 if main is None else main["n_control"],
        "n_treated": 0 if main is None else main["n_treated"],
        "states": ", ".join(dict.fromkeys(of["state"])),
        **{fact: facts.get(fact, "absent") for fact in _FACTS},
        "persistent": facts["persistent"],
        "readout": "+".join(names) or INSUFFICIENT,
        "opens_at_days": of["opens_at_days"].iloc[0],
        "flags": "+".join(flags),
        "evidence": "; ".join(shown),
        "targets": _targets(targets, of, words, fdr=options.fdr),
        "lacking": "; ".join(lacking),
        "note": ADVICE,
    }


def _targets(
    targets: pd.DataFrame | None, of: pd.DataFrame, words: list[Rule], *, fdr: float
) -> str:
    """Target classes that senescent cells of this compartment express more, where a word asks."""
    kinds = [w.name.removesuffix("_candidate") for w in words if w.name.endswith("_candidate")]
    if not kinds:
        return ""
    if targets is None:
        return "not compared"
    mine = targets[targets["kind"].map(lambda kind: any(word in kind for word in kinds))]
    for name in (k.COMPARTMENT, "stratum", *ARM):
        own = of[name].iloc[0]
        absent = mine[name].isna() | mine[name].eq("")  # as read, an empty text is missing
        mine = mine[absent if pd.isna(own) or own == "" else mine[name].eq(own)]
    higher = mine[(mine["status"] == "tested") & (mine["q"] <= fdr) & (mine["estimate"] > 0)]
    if higher.empty:
        tested = int((mine["status"] == "tested").sum())
        return f"none of {len(mine)} classes higher in senescent cells ({tested} tested)"
    return "; ".join(
        f"{r.target} {r.estimate:+.2g} [{r.ci_lo:.2g}, {r.ci_hi:.2g}], q {r.q:.2g}, "
        f"{r.n_samples:g} samples"
        for r in higher.itertuples()
    )
