"""What a drug did, in words: senolytic-like, senomorphic-like, both, neither, underpowered."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
import yaml

from senoscore import names as k
from senoscore.errors import ConfigError
from senoscore.io import load_yaml, resource
from senoscore.kernels import t_ppf
from senoscore.questions.asked import tost
from senoscore.study import ARM, takes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


__all__ = ["EFFICACY_COLUMNS", "efficacy", "load_words", "side_by_side"]

_ADVICE: Final = "Research use, not medical advice."
_BURDEN: Final = ("falls", "rises", "stays", "not_shown", "underpowered", k.NOT_TESTABLE)
_SIDE: Final = ("higher", "fewer", "called", "quieter", "open", "absent")
_FACTS: Final[dict[str, tuple[str, ...]]] = {
    "burden": _BURDEN,
    "arrested_burden": _BURDEN,
    "arrest": (*_BURDEN, "mixed"),
    "sasp": (*_BURDEN, "mixed"),
    "tumour": _SIDE,
    "normal": _SIDE,
}
"""Facts that rules may ask for, and the values they can have."""
_QUESTION: Final = "drug_in_irradiated"
EFFICACY_COLUMNS: Final = (
    k.COMPARTMENT, "stratum", "side", k.TREATMENT, "against", k.DRUG, *ARM[1:], k.DAYS,
    "n_treated", "n_control", "word", "means", "burden", "burden_measure", "burden_estimate",
    "burden_ci_lo", "burden_ci_hi", "burden_q", "burden_p_stays", "burden_detectable",
    "arrested_burden", "arrested_burden_estimate", "arrested_burden_ci_lo",
    "arrested_burden_ci_hi", "arrested_burden_q", "arrested_burden_p_stays",
    "arrested_burden_detectable", "arrest", "sasp",
    "sasp_falls", "sasp_rises", "n_sasp", "evidence", "note",
)  # fmt: skip
_FACT_SAID: Final = {"burden": "called senescent", "arrested burden": "arrested"}
"""Facts that are shares of cells, in words."""
_NUMBERS: Final = ("estimate", "ci_lo", "ci_hi", "q", "p_stays", "detectable")
_KEYS: Final = [k.COMPARTMENT, "stratum", k.TREATMENT, "against", *ARM[1:], k.DAYS]
_READ: Final = (
    "question", *_KEYS, "measure", k.DRUG, "n_treated", "n_control", "estimate", "se", "df", "q",
    "estimate_fraction", "fraction_se", "fraction_df", "status", "reason", "note",
)  # fmt: skip
"""Columns of a table of arms that the words are read from."""


@dataclass(frozen=True)
class _Word:
    name: str
    when: Mapping[str, tuple[str, ...]]
    means: str

    def holds(self, facts: Mapping[str, str]) -> bool:
        return all(facts[fact] in allowed for fact, allowed in self.when.items())


@dataclass(frozen=True)
class Words:
    """Measures that the facts are of, and the rules of both tables."""

    burden: tuple[str, ...]
    arrested_burden: tuple[str, ...]
    arrest: tuple[str, ...]
    sasp: tuple[str, ...]
    words: tuple[_Word, ...]
    together: tuple[_Word, ...]


def load_words(path: Path | None = None) -> Words:
    """Read the rules; None reads the shipped ``resources/efficacy.yaml``.

    Raises
    ------
    ConfigError
        A section, key, fact or value is unknown, or no rule holds in the end.
    """
    return _shipped() if path is None else _read(path)


@cache
def _shipped() -> Words:
    return _read(resource("efficacy.yaml"))


def _read(path: Path) -> Words:
    try:
        content = load_yaml(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        msg = f"{path} cannot be read as rules: {' '.join(str(error).split())[:200]}"
        raise ConfigError(msg, fix="copy resources/efficacy.yaml and change it") from error
    sections = {"version", "measures", "words", "together"}
    if not isinstance(content, dict) or set(content) != sections:
        msg = f"{path}: expected the sections {', '.join(sorted(sections))}"
        raise ConfigError(msg, fix="copy resources/efficacy.yaml and change it")
    measures = content["measures"]
    facts = ("burden", "arrested_burden", "arrest", "sasp")
    known = isinstance(measures, dict) and set(measures) == set(facts)
    if not known or not all(isinstance(own, list) and own for own in measures.values()):
        msg = f"{path}, measures: expected lists under {', '.join(facts[:-1])} and {facts[-1]}"
        raise ConfigError(msg, fix="name columns of the burden table, or signatures")
    lists = {name: tuple(map(str, measures[name])) for name in facts}
    return Words(
        **lists,
        words=_rules(path, "words", content["words"], facts),
        together=_rules(path, "together", content["together"], ("tumour", "normal")),
    )


def _rules(path: Path, section: str, entries: Any, facts: tuple[str, ...]) -> tuple[_Word, ...]:
    out: list[_Word] = []
    for entry in entries if isinstance(entries, list) else []:
        where = f"{path}, {section}, rule {len(out) + 1}"
        if not isinstance(entry, dict) or set(entry) != {"word", "when", "means"}:
            msg = f"{where}: expected word, when and means"
            raise ConfigError(msg, fix="copy resources/efficacy.yaml and change it")
        when = entry["when"]
        for fact, allowed in when.items() if isinstance(when, dict) else [("", [])]:
            odd = fact not in facts or not isinstance(allowed, list)
            wrong = [] if odd else [value for value in allowed if value not in _FACTS[fact]]
            if odd or wrong:
                what = f"{fact!r} is no fact of {section}" if odd else f"{fact} is never {wrong[0]}"
                msg = f"{where}: {what}"
                options = "; ".join(f"{name}: {', '.join(_FACTS[name])}" for name in facts)
                raise ConfigError(msg, fix=options)
        own = {str(fact): tuple(map(str, values)) for fact, values in when.items()}
        out.append(_Word(str(entry["word"]), own, str(entry["means"])))
    if not out or out[-1].when:
        msg = f"{path}, {section}: the last rule must hold in any case"
        raise ConfigError(msg, fix="end with a rule whose when is {}")
    return tuple(out)


@takes(check_control=False, needs=_READ, arms="sen.arms(sen.burden(adata))")
def efficacy(
    arms: pd.DataFrame,
    *,
    rules: Path | None = None,
    fdr: float = 0.05,
    alpha: float = 0.05,
    margin: float | None = None,
    sasp_margin: float | None = None,
    relevant: float = 0.1,
    sasp_relevant: float = 1.0,
    tumour: Sequence[str] = ("tumour",),
) -> pd.DataFrame:
    """Say in words what a drug did to burden and secretion after radiation.

    Parameters
    ----------
    arms
        As :func:`senoscore.arms` gives it.
    rules
        Rules of your own; None takes the shipped ``resources/efficacy.yaml``.
    fdr
        q at which a fall or a rise holds.
    alpha
        Level of the tests of equivalence.
    margin, sasp_margin
        Largest change that counts as none: of the fraction of senescent cells (0.05 is five
        percentage points), and of secretory axes (control SDs). None claims no equivalence: that
        nothing was found is no proof that nothing is there.
    relevant, sasp_relevant
        Change that the study should not miss, in the same units. Where the smallest effect seen in
        80 % of studies of this precision is larger, the word is ``underpowered``.
    tumour
        Compartments on the side of the tumour.

    Returns
    -------
    One row a compartment, arm with a drug and time. ``word`` and what it ``means``; ``burden``,
    ``arrested_burden`` (cells further along the learnt arrest than nine in ten controls, which a
    drug that only silences the SASP leaves), ``arrest`` (axes without secretion, asked where
    nothing was learnt) and ``sasp`` are the verdicts it rests on: falls, rises, stays (equivalent
    by two one-sided tests), not_shown, underpowered, not_testable; ``mixed`` where secretory
    families disagree. ``burden_estimate`` and its 95 % interval, and ``burden_detectable``, the
    smallest change that would mostly have been seen, are fractions, like those of
    ``arrested_burden`` (of the index where no cells are counted, and then ``relevant`` and
    ``margin`` do not apply). ``sasp_falls`` and ``sasp_rises`` name families.

    Raises
    ------
    ConfigError
        The rules cannot be used, or a margin or relevant change is not above 0.

    Examples
    --------
    >>> words = sen.efficacy(sen.arms(burden))
    >>> words.loc[words["compartment"] == "tumour", ["treatment", "against", "word"]]
                    treatment     against          word
    6  irradiated + senolytic  irradiated  underpowered
    """
    for name, value in (
        ("margin", margin), ("sasp_margin", sasp_margin), ("relevant", relevant),
        ("sasp_relevant", sasp_relevant),
    ):  # fmt: skip
        if value is not None and not (np.isfinite(value) and value > 0):
            msg = f"{name} is {value!r}, expected a number above 0"
            raise ConfigError(msg, fix="margin: 0.05 is five percentage points")
    words = load_words(rules)
    table = arms[arms["question"] == _QUESTION]
    rows: list[dict[str, Any]] = []
    for key, group in table.groupby(_KEYS, dropna=False, sort=True, observed=True):
        by = {
            str(row["measure"]): {str(name): value for name, value in row.items()}
            for row in group.to_dict("records")
        }
        head = dict(zip(_KEYS, key, strict=True))
        head["side"] = "tumour" if head[k.COMPARTMENT] in tumour else "normal"
        head[k.DRUG] = group[k.DRUG].iloc[0]
        burden, arrested = (
            _fraction(by, of_fact, fdr=fdr, alpha=alpha, margin=margin, relevant=relevant)
            for of_fact in (words.burden, words.arrested_burden)
        )
        arrest = _families(by, words.arrest, fdr=fdr, alpha=alpha, margin=None, relevant=None)
        sasp = _sasp(by, words, fdr=fdr, alpha=alpha, margin=sasp_margin, relevant=sasp_relevant)
        verdict = _together(list(arrest.values()))
        facts = {
            "burden": burden["verdict"], "arrested_burden": arrested["verdict"], "arrest": verdict,
            "sasp": sasp["sasp"],
        }  # fmt: skip
        word = next(rule for rule in words.words if rule.holds(facts))
        note = "; ".join(filter(None, [burden["note"], sasp.pop("_note"), _ADVICE]))
        shown = "; ".join(
            filter(
                None,
                [_said("burden", burden), _said("arrested burden", arrested), sasp.pop("_shown")],
            )
        )
        rows.append(
            head | {name: burden[name] for name in ("n_treated", "n_control")}
            | {"burden_measure": burden["measure"]}
            | _named("burden", burden) | _named("arrested_burden", arrested) | sasp
            | {"arrest": verdict, "word": word.name, "means": word.means, "evidence": shown,
               "note": note}
        )  # fmt: skip
    return pd.DataFrame(rows, columns=list(EFFICACY_COLUMNS))


def _verdict(
    row: Mapping[str, Any], estimate: float, se: float, df: float, *, fdr: float, alpha: float,
    margin: float | None, relevant: float | None,
) -> tuple[str, float, float]:  # fmt: skip
    """Verdict on one contrast; p of equivalence; the smallest effect it would have shown."""
    if row["status"] != k.TESTED:
        return k.NOT_TESTABLE, np.nan, np.nan
    shown = float((t_ppf(1 - alpha / 2, df) + t_ppf(0.8, df)) * se if np.isfinite(se) else np.nan)
    p_stays = tost(estimate, se, df, margin)
    if row["q"] <= fdr:
        return ("falls" if row["estimate"] < 0 else "rises"), p_stays, shown
    if p_stays <= alpha:
        return "stays", p_stays, shown
    missed = relevant is not None and not shown <= relevant
    return ("underpowered" if missed else "not_shown"), p_stays, shown


def _fraction(
    by: Mapping[str, dict[str, Any]], measures: Sequence[str], *, fdr: float, alpha: float,
    margin: float | None, relevant: float,
) -> dict[str, Any]:  # fmt: skip
    """Verdict on the first measure that was tested, in plain fractions where it is one."""
    there = [name for name in measures if name in by]
    if not there:
        return {"verdict": "not_testable", "measure": "", "note": "no burden", "n_treated": 0,
                "n_control": 0, **dict.fromkeys(_NUMBERS, np.nan)}  # fmt: skip
    tested = [name for name in there if by[name]["status"] == k.TESTED]
    name = (tested or there)[0]
    row = by[name]
    plain = np.isfinite(row["estimate_fraction"]) and np.isfinite(row["fraction_se"])
    names = (
        ("estimate_fraction", "fraction_se", "fraction_df") if plain else ("estimate", "se", "df")
    )
    estimate, se, df = (row[name] for name in names)
    verdict, p_stays, shown = _verdict(
        row, estimate, se, df, fdr=fdr, alpha=alpha, margin=margin if plain else None,
        relevant=relevant if plain else None,
    )  # fmt: skip
    half = float(t_ppf(1 - alpha / 2, df)) * se if row["status"] == k.TESTED else np.nan
    return {
        "verdict": verdict, "measure": name, "plain": plain,
        "n_treated": row["n_treated"], "n_control": row["n_control"], "estimate": estimate,
        "ci_lo": estimate - half, "ci_hi": estimate + half, "q": row["q"], "p_stays": p_stays,
        "detectable": shown,
        "note": "; ".join(filter(None, [_why_not(by, there, tested), _text(row["note"])])),
    }  # fmt: skip


def _text(value: Any) -> str:
    """A field as text; a gap of a table that was read is an empty one."""
    return "" if pd.isna(value) else str(value)


def _why_not(by: Mapping[str, dict[str, Any]], there: Sequence[str], tested: Sequence[str]) -> str:
    """Why the first measure of the burden is not what the word rests on; empty where it is."""
    first = there[0]
    if first in tested:
        return ""
    reason = str(by[first]["reason"] or "not tested")
    return f"{first}: {reason}" if tested else reason


def _named(fact: str, found: Mapping[str, Any]) -> dict[str, Any]:
    """Columns of a fact that is a fraction."""
    return {fact: found["verdict"]} | {f"{fact}_{name}": found[name] for name in _NUMBERS}


def _said(fact: str, found: Mapping[str, Any]) -> str:
    """A fact that was tested, with its numbers, in words."""
    if not np.isfinite(found["q"]):
        return ""
    what, size, digits, unit = (
        (_FACT_SAID[fact], 100.0, 1, " points")
        if found["plain"]
        else (f"{fact} (index)", 1.0, 2, "")
    )

    def said(name: str, sign: str = "") -> str:
        # Adding nought makes a nought of a negative one.
        return f"{round(found[name] * size, digits) + 0.0:{sign}.{digits}f}".replace("-", "−")

    interval = f"(95 % CI {said('ci_lo')} to {said('ci_hi')})"
    return (
        f"{what} {said('estimate', '+')}{unit} {interval}, q {found['q']:.2g}; a change of "
        f"{said('detectable')}{unit} would mostly have been seen"
    )


def _families(
    by: Mapping[str, dict[str, Any]], scores: Sequence[str], *, fdr: float, alpha: float,
    margin: float | None, relevant: float | None,
) -> dict[str, str]:  # fmt: skip
    """Verdict on the axis, or else the score, of each name that was tested."""
    chosen: dict[str, dict[str, Any]] = {}
    for score in scores:
        names = [n for n in by if k.SEP in n and n.partition(k.SEP)[2] == score]
        axes = [name for name in names if name.startswith("z:")]
        for name in (axes or names)[:1]:
            chosen[name] = by[name]
    return {
        name: _verdict(
            row, row["estimate"], row["se"], row["df"], fdr=fdr, alpha=alpha,
            margin=margin if name.startswith("z:") else None,
            relevant=relevant if name.startswith("z:") else None,
        )[0]
        for name, row in chosen.items()
        if row["status"] == k.TESTED
    }  # fmt: skip


def _sasp(
    by: Mapping[str, dict[str, Any]], words: Words, *, fdr: float, alpha: float,
    margin: float | None, relevant: float,
) -> dict[str, Any]:  # fmt: skip
    verdicts = _families(
        by, words.sasp, fdr=fdr, alpha=alpha, margin=margin, relevant=relevant
    )  # fmt: skip
    falls, rises = ([n for n, v in verdicts.items() if v == way] for way in ("falls", "rises"))
    said = []
    for name in (*falls, *rises):
        family = name.rpartition(k.SEP)[2].replace("_", " ").replace("sasp", "SASP")
        size = f"{by[name]['estimate']:+.2g}".replace("-", "−")
        unit = "control SDs" if name.startswith("z:") else "of the score"
        said.append(f"{family} {size} {unit}, q {by[name]['q']:.2g}")
    return {
        "sasp": _together(list(verdicts.values())), "sasp_falls": "+".join(falls),
        "sasp_rises": "+".join(rises), "n_sasp": len(verdicts), "_shown": "; ".join(said),
        "_note": "" if verdicts else "no secretory family could be tested",
    }  # fmt: skip


def _together(verdicts: Sequence[str]) -> str:
    """One verdict on several secretory families: all must stay for secretion to stay."""
    there = set(verdicts)
    if not there:
        return k.NOT_TESTABLE
    if {"falls", "rises"} <= there:
        return "mixed"
    for one in ("falls", "rises"):
        if one in there:
            return one
    if there == {"stays"}:
        return "stays"
    return "underpowered" if "underpowered" in there else "not_shown"


@takes(check_control=False, table="sen.efficacy(sen.arms(burden))")
def side_by_side(table: pd.DataFrame, *, rules: Path | None = None) -> pd.DataFrame:
    """Put tumour and normal tissue beside each other, for every arm with a drug and time.

    Parameters
    ----------
    table
        As :func:`efficacy` gives it.
    rules
        As there.

    Returns
    -------
    One row an arm and time: ``tumour_words`` and ``normal_words`` (compartment: word),
    ``tumour`` and ``normal``, what a side comes to (higher; fewer senescent cells; fewer called;
    quieter: less secretion alone; open; absent), ``word`` and ``means``. A rise in one compartment
    outweighs falls in others.
    """
    words = load_words(rules)
    keys = ["stratum", k.TREATMENT, "against", k.DRUG, *ARM[1:], k.DAYS]
    rows: list[dict[str, Any]] = []
    for key, group in table.groupby(keys, dropna=False, sort=True, observed=True):
        row: dict[str, Any] = dict(zip(keys, key, strict=True))
        facts = {}
        for side in ("tumour", "normal"):
            own = group[group["side"] == side]
            facts[side] = _side(own)
            row |= {side: facts[side], f"{side}_words": ", ".join(
                f"{c}: {w}" for c, w in zip(own[k.COMPARTMENT], own["word"], strict=True)
            )}  # fmt: skip
        word = next(rule for rule in words.together if rule.holds(facts))
        rows.append(row | {"word": word.name, "means": word.means, "note": _ADVICE})
    columns = [*keys, "word", "means", "tumour", "tumour_words", "normal", "normal_words", "note"]
    return pd.DataFrame(rows, columns=columns)


def _side(own: pd.DataFrame) -> str:
    """What all compartments of a side come to: a rise, else the most that is shown of a fall."""
    asked = own[own["word"] != k.NOT_TESTABLE]
    if asked.empty:
        return "absent"
    found = {_of_facts(facts) for facts in asked[["burden", "arrested_burden", "arrest", "sasp"]]
             .itertuples(index=False)}  # fmt: skip
    return next(fact for fact in _SIDE if fact in found)


def _of_facts(facts: Any) -> str:
    """Whether a compartment has fewer senescent cells, fewer called ones, or less secretion."""
    if {"rises", "mixed"} & {facts.burden, facts.arrested_burden, facts.sasp}:
        return "higher"
    unlearnt = facts.arrested_burden == k.NOT_TESTABLE
    if facts.arrested_burden == "falls" or (
        unlearnt and facts.burden == "falls" and facts.arrest == "falls"
    ):
        return "fewer"
    if facts.burden == "falls" and facts.sasp != "falls":
        return "called"
    return "quieter" if facts.sasp == "falls" else "open"
