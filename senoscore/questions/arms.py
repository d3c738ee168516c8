"""Arm against arm at the same time: drugs, radiation x drug, modality, dose rate, named pairs."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from senoscore import names as k
from senoscore.errors import ConfigError
from senoscore.inference import alike, ask, counting_of_fractions
from senoscore.questions.asked import SHARE, Values, answered, numbers, refused, tested
from senoscore.study import (
    ARM,
    FRACTIONS,
    TRANSFORM,
    controls_at,
    designed,
    placed,
    strata,
    takes,
    units,
    without_drug,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from senoscore.study import Stratum


__all__ = ["QUESTIONS", "arms", "asks_of_arms", "check_contrasts"]

QUESTIONS: Final = {
    "drug_in_irradiated": "Radiation with the drug against radiation alone",
    "drug_in_unirradiated": "The drug against none, without radiation",
    "radiation_x_drug": "Interaction: does the drug act differently after radiation?",
    "modality_or_dose_rate": "Modalities and dose rates at the same dose",
    "named": "Pairs of arms that the config names",
}
"""What is asked of arms, in words."""
_SCHEDULE: Final = (k.DOSE, "n_fractions", "modality", k.DAYS)
_KEYS: Final = (k.TREATMENT, k.DRUG, k.DOSE, "n_fractions", "modality")
_REFERENCE: Final = "photon"
_ENOUGH: Final = 2
_NO_START: Final = "drug without a start: whether before or after radiation is not known"
_UNCLEAR: Final = "_unclear"
_CONFOUNDED: Final = "batch and arm are the same variable here"
_POOLED: Final = "OLS on samples, variance pooled over both sides, t"
_WELCH: Final = "Welch's t of samples"
_DRUG, _ALONE = "_drug", "_alone"


@dataclass(frozen=True)
class _Asked:
    """A question of some groups of samples: how they are weighed, and the row begun.

    ``sides`` are the groups with the weight of the mean of each.
    """

    row: dict[str, Any]
    sides: tuple[tuple[pd.DataFrame, float], ...] = ()
    reason: str = ""
    notes: tuple[str, ...] = field(default=())


@takes(burden="sen.burden(adata)")
def arms(
    burden: pd.DataFrame,
    *,
    contrasts: Mapping[str, Mapping[str, Any]] | None = None,
    control: str = k.CONTROL,
    alpha: float = 0.05,
    transform: str = TRANSFORM,
    measures: Sequence[str] | None = None,
    further: pd.DataFrame | None = None,
    primary: Mapping[str, Sequence[str]] | None = None,
) -> pd.DataFrame:
    """Compare arms with each other at the same time: what a drug did, or a modality.

    One value a subject, arm and day; a linear model of the arms that a contrast compares, with a
    mean for each and the variance of these alone: unirradiated animals may have no senescent cell,
    and their lack of spread says nothing of irradiated ones. It is pooled over both sides for
    fractions, whose scale is chosen so that arms vary alike; for means, and in the interaction,
    each arm has its own (Welch), unless subjects or a batch stand beside. Subjects in several arms
    are blocks, a batch is a covariate, and other arms join the model only where they tell the batch
    from an arm. Nothing is compared across regions, assays or
    organisms.

    Parameters
    ----------
    burden
        As :func:`senoscore.burden` gives it, with a column ``drug`` where there are drugs.
    contrasts
        Pairs of arms by name: ``{"late": {"arm": "irradiated + x", "against": "irradiated"}}``.
        A side is a treatment, as tables name it, or a mapping with any of ``treatment``, ``drug``
        (``none``: without), ``dose_gy``, ``n_fractions`` and ``modality`` that only one arm has.
    control
        Treatment that means not irradiated.
    alpha
        1 - confidence of the intervals.
    transform
        ``arcsine`` or ``logit``, for fractions.
    measures
        As for the trend, and ``share`` (composition: the share of the compartment among all kept
        cells).
    further
        Values of samples from elsewhere: ``sample``, ``compartment``, ``measure``, ``value``.
    primary
        What the study was made to answer, named before it was looked at: drug -> compartments. Its
        answers on ``drug_in_irradiated`` are families of their own, so that the others, of which
        there are many more, do not adjust them.

    Returns
    -------
    One row a compartment, measure and contrast. ``question``:

    - ``drug_in_irradiated``: radiation with a drug against the same radiation alone,
    - ``drug_in_unirradiated``: the drug against none, both unirradiated,
    - ``radiation_x_drug``: the first difference less the second, on the scale of the measure;
      0 is what a drug does that acts the same with and without radiation,
    - ``modality_or_dose_rate``: at the same dose, fractions, drug and time, against photons at the
      lowest dose rate (where there are none, against what most subjects had),
    - ``named``: the pairs of ``contrasts``.

    ``treatment`` and ``against`` name the sides, ``n_treated`` and ``n_control`` count their
    subjects. ``estimate`` has its interval, ``se``, ``p`` and ``q`` (Benjamini-Hochberg over a
    ``family``: one question and kind of measure). ``detectable`` is the smallest true effect that
    this precision shows in 80 % of studies. ``estimate_fraction`` and ``fraction_se`` are of plain
    fractions. An arm without its counterpart is ``not_estimable``, with the reason.

    Raises
    ------
    InputError
        As for the trend.
    ConfigError
        A named contrast has no such arm, or means several.

    Examples
    --------
    >>> arms = sen.arms(burden, measures=["fraction_senescent"])
    >>> arms.query("compartment == 'tumour'")[["question", "status"]]
                 question         status
    2  drug_in_irradiated         tested
    3    radiation_x_drug  not_estimable
    """
    values = Values.of(
        burden, control=control, transform=transform, measures=measures, further=further
    )
    named = dict(contrasts or {})
    check_contrasts(named, values.table)
    rows: list[dict[str, Any]] = []
    for compartment, whole in values.table.groupby(k.COMPARTMENT, sort=True, observed=True):
        for part in strata(whole, control=control):
            head = {k.COMPARTMENT: str(compartment), "stratum": part.name}
            found = _of_stratum(part, values, named, alpha)
            rows += [head | row for row in found]
    wanted = {drug: set(where) for drug, where in (primary or {}).items()}
    first = [
        row["question"] == "drug_in_irradiated"
        and row[k.COMPARTMENT] in wanted.get(str(row[k.DRUG]), set())
        for row in rows
    ]
    return answered(rows, values, primary=first)


def asks_of_arms(samples: pd.DataFrame, contrasts: Mapping[str, Any] | None = None) -> bool:
    """Whether a samples sheet or a config holds a question of arms: a drug, two modalities, a pair.

    Parameters
    ----------
    samples
        As :func:`senoscore.study.read_samples` gives them.
    contrasts
        Named pairs of the config.
    """
    if contrasts:
        return True
    if k.DRUG in samples and k.GIVEN in samples and samples[k.DRUG].ne("").any():
        return True
    table = designed(samples)
    irradiated = table[table[k.DOSE].gt(0)]
    rates = irradiated.get("dose_rate_gy_s", pd.Series(dtype=float))
    return bool(len(set(irradiated["modality"]) - {""}) > 1 or len(set(rates.dropna())) > 1)


def _named_drugs(table: pd.DataFrame) -> pd.DataFrame:
    """Add the treatment without its drug, and the drug as the arm names it."""
    if k.GIVEN in table:
        facts = table.drop_duplicates(k.TREATMENT).set_index(k.TREATMENT)
        drugged = {str(name) for name, drug in facts.get(k.DRUG, pd.Series()).items() if drug}
    else:
        drugged = set()
    parts = {
        name: without_drug(name) if name in drugged else (name, "")
        for name in map(str, table[k.TREATMENT].unique())
    }
    return table.assign(
        **{
            _ALONE: table[k.TREATMENT].map({name: own[0] for name, own in parts.items()}),
            _DRUG: table[k.TREATMENT].map({name: own[1] for name, own in parts.items()}),
        }
    )


def check_contrasts(contrasts: Mapping[str, Mapping[str, Any]], samples: pd.DataFrame) -> None:
    """Check named pairs against the samples, before any work.

    Raises
    ------
    ConfigError
        A side has no sample, or is several arms, or both sides are one.
    """
    if not contrasts:
        return
    table = _named_drugs(designed(samples))
    for name, pair in contrasts.items():
        lacking = [side for side in ("arm", "against") if side not in pair]
        if lacking:
            msg = f"contrast {name!r} has no {lacking[0]!r}"
            raise ConfigError(msg, fix="give it arm and against")
        found = {side: _arm_of(table, pair[side], f"contrast {name!r}, {side}") for side in pair}
        if found["arm"] == found["against"]:
            msg = f"contrast {name!r} compares an arm with itself"
            raise ConfigError(msg, fix="name two arms")


def _arm_of(table: pd.DataFrame, wanted: Any, where: str) -> tuple[Any, ...]:
    """The one arm that a side of a pair names."""
    own = table[_chosen(table, wanted, where)]
    there = own[list(ARM)].drop_duplicates()
    if there.empty:
        words = sorted(map(str, table[k.TREATMENT].unique()))
        text = wanted if isinstance(wanted, str) else str(wanted.get(k.TREATMENT, ""))
        near = difflib.get_close_matches(text, words, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]!r}?" if near else f"treatments: {', '.join(words)}"
        msg = f"{where}: no sample is {wanted!r}"
        raise ConfigError(msg, fix=hint)
    if len(there) > 1:
        tells = [name for name in ARM if len(there[name].drop_duplicates()) > 1]
        listed = "; ".join(", ".join(f"{n} {row[n]}" for n in tells) for _, row in there.iterrows())
        msg = f"{where}: {wanted!r} is {len(there)} arms ({listed})"
        raise ConfigError(msg, fix=f"say which, with treatment and {' and '.join(tells)}")
    return tuple(None if pd.isna(value) else value for value in there.iloc[0])


def _chosen(table: pd.DataFrame, wanted: Any, where: str) -> pd.Series:
    keys = {k.TREATMENT: wanted} if isinstance(wanted, str) else dict(wanted)
    odd = [name for name in keys if name not in _KEYS]
    if odd or not keys:
        msg = f"{where}: {'nothing is named' if not keys else f'{odd[0]!r} names no arm'}"
        raise ConfigError(msg, fix=f"use {', '.join(_KEYS)}")
    mask = pd.Series(data=True, index=table.index)
    for name, value in keys.items():
        if name == k.DRUG:
            text = "" if str(value).lower() == "none" else str(value)
            mask &= table[_DRUG].eq(text) | (table[k.DRUG].eq(text) if k.DRUG in table else False)
        elif name == k.TREATMENT:
            given = table[_ALONE].eq(str(value)) if k.DRUG in keys else False
            mask &= table[k.TREATMENT].eq(str(value)) | given
        elif name == "modality":
            mask &= table[name].eq(str(value))
        else:
            mask &= table[name].eq(float(value))
    return mask


def _of_stratum(
    part: Stratum, values: Values, named: Mapping[str, Mapping[str, Any]], alpha: float
) -> Iterator[dict[str, Any]]:
    """Answers of the samples of one compartment that may be compared."""
    options = ask.Options.of(part, control=values.control, alpha=alpha, transform=values.transform)
    measures = part.table[list(values.wanted)].astype(float)
    whole = _named_drugs(part.table)
    parts = whole.drop_duplicates(k.TREATMENT).set_index(k.TREATMENT)
    start = whole.get("drug_start_days", pd.Series(0.0, index=whole.index))
    unclear = set(whole.loc[whole[_DRUG].ne("") & start.isna(), k.TREATMENT])
    for own, names in alike(part.table, measures):
        table = units(own, ["raw", *names])
        for name in (_ALONE, _DRUG):
            table[name] = table[k.TREATMENT].map(parts[name])
        if k.DRUG in parts:
            table[k.DRUG] = table[k.TREATMENT].map(parts[k.DRUG])
        table[_UNCLEAR] = table[k.TREATMENT].isin(unclear)
        table["y"] = table[names[0]]
        for asked in _questions(table, named, options):
            row, group = _answer(asked, table, options)
            for name in names:
                yield placed(row, part) | {"measure": name} | group(name)


def _questions(
    table: pd.DataFrame, named: Mapping[str, Mapping[str, Any]], options: ask.Options
) -> Iterator[_Asked]:
    yield from _drugs(table, options)
    yield from _beams(table, options)
    for name, pair in named.items():
        yield from _named(table, name, pair, options)


def _groups(table: pd.DataFrame) -> Iterator[pd.DataFrame]:
    keys = [*ARM, k.DAYS]
    for _, group in table.groupby(keys, dropna=False, sort=True, observed=True):
        yield group


def _like(table: pd.DataFrame, group: pd.DataFrame, names: Sequence[str]) -> pd.Series:
    """Rows that have the values of a group in some columns; NaN is like NaN."""
    mask = pd.Series(data=True, index=table.index)
    for name in names:
        value = group[name].iloc[0]
        mask &= table[name].isna() if pd.isna(value) else table[name].eq(value)
    return mask


def _drugs(table: pd.DataFrame, options: ask.Options) -> Iterator[_Asked]:
    """Each arm with a drug against the same arm without, and the interaction with radiation."""
    drugged = table[table[_DRUG].ne("")]
    controls = table[table[k.TREATMENT] == options.control]
    for group in _groups(drugged):
        first = group.iloc[0]
        drug, days = str(first[_DRUG]), float(first[k.DAYS])
        if first[_ALONE] == options.control:
            base, matched = controls_at(controls, days)
            asked = _pair("drug_in_unirradiated", group, base)
            if base.empty:
                yield _without(asked, options.no_control)
                continue
            yield _noted(asked, [] if matched or not np.isfinite(days) else ["all controls"])
            continue
        unclear = [_NO_START] if first[_UNCLEAR] else []
        alone = table[table[k.TREATMENT].eq(first[_ALONE]) & _like(table, group, _SCHEDULE)]
        asked = _pair("drug_in_irradiated", group, alone)
        if alone.empty:
            why = f"no samples of {_arm(group, alone=True)}{_when(days)}: the drug cannot be told "
            yield _without(asked, why + "from radiation")
        else:
            yield _noted(asked, unclear)
        same = table[table[_ALONE].eq(options.control) & table[_DRUG].eq(drug)]
        with_drug, at = controls_at(same, days)
        bare, bare_at = controls_at(controls, days)
        title = f"(radiation x {drug}), {_arm(group)}{_when(days)}"
        lacking = [
            name
            for name, side in (
                (f"{_arm(group, alone=True)}{_when(days)}", alone),
                (f"{options.control} + {drug}", with_drug),
                (options.control, bare),
            )
            if side.empty
        ]
        cross = _Asked(
            _row("radiation_x_drug", title, group, alone)
            | {"n_control": min(ask.n_subjects(s) for s in (alone, with_drug, bare))},
            ((group, 1.0), (alone, -1.0), (with_drug, -1.0), (bare, 1.0)),
            notes=("n: subjects of the arm, and of the smallest of the other three", *unclear),
        )
        if lacking:
            yield _without(cross, f"no samples of {' and '.join(lacking)}: no factorial")
        else:
            yield _noted(cross, [] if at and bare_at else ["unirradiated arms of all days"])


def _beams(table: pd.DataFrame, options: ask.Options) -> Iterator[_Asked]:
    """Modalities and dose rates of one dose, schedule, drug and time against the usual one."""
    irradiated = table[table[k.DOSE].gt(0) & table[_ALONE].ne(options.control)]
    known = irradiated[irradiated["modality"].ne("") | irradiated[_ALONE].str.contains(r" [\d.]+ ")]
    words = known[_ALONE].str.replace(r" (?:[\d.e+-]+|\?) (?:Gy/s|keV/um)", "", regex=True)
    known = known.assign(_word=words)
    keys = ["_word", _DRUG, k.DOSE, "n_fractions", k.DAYS]
    for _, group in known.groupby(keys, dropna=False, sort=True, observed=True):
        beams = list(group.groupby([k.TREATMENT, "modality"], sort=True, observed=True))
        if len(beams) < _ENOUGH:
            continue
        usual = [i for i, ((_, modality), _) in enumerate(beams) if modality == _REFERENCE]
        by = [(_rate(str(beams[i][0][0])), i) for i in usual] or [
            (-float(ask.n_subjects(own)), i) for i, (_, own) in enumerate(beams)
        ]
        reference = min(by)[1]
        for i, (_, own) in enumerate(beams):
            if i == reference:
                continue
            asked = _pair("modality_or_dose_rate", own, beams[reference][1])
            yield _noted(asked, ["the same physical dose; no biological weight (RBE) is applied"])


def _rate(treatment: str) -> float:
    """Dose rate that a treatment names; infinite where it names none, so that it is no lowest."""
    words = treatment.split()
    at = [i for i, word in enumerate(words) if word == "Gy/s" and i]
    try:
        return float(words[at[0] - 1]) if at else np.inf
    except ValueError:
        return np.inf


def _named(
    table: pd.DataFrame, name: str, pair: Mapping[str, Any], options: ask.Options
) -> Iterator[_Asked]:
    arm = table[_chosen(table, pair["arm"], name)]
    other = table[_chosen(table, pair["against"], name)]
    if arm.empty:
        empty = _row("named", name, arm, other)
        yield _Asked(empty, reason="no sample of this compartment is of the arm")
        return
    for group in _groups(arm):
        days = float(group[k.DAYS].iloc[0])
        base = other[_like(other, group, (k.DAYS,))]
        if not other.empty and other[k.TREATMENT].iloc[0] == options.control:
            base, _ = controls_at(other, days)
        asked = _pair("named", group, base)
        asked.row["contrast"] = f"{name}: {asked.row['contrast']}"
        when = _when(days) or " without a time"
        yield asked if len(base) else _without(asked, f"no samples of {pair['against']}{when}")


def _pair(question: str, group: pd.DataFrame, base: pd.DataFrame) -> _Asked:
    days = float(group[k.DAYS].iloc[0])
    other = _arm(base) if len(base) else f"{group[_ALONE].iloc[0]} alone"
    title = f"{_arm(group, of_two=base)} vs {other}{_when(days)}"
    return _Asked(_row(question, title, group, base), ((group, 1.0), (base, -1.0)))


def _row(question: str, title: str, group: pd.DataFrame, base: pd.DataFrame) -> dict[str, Any]:
    row = ask.new_row(question, title, group, base)
    row |= {"against": str(base[k.TREATMENT].iloc[0]) if len(base) else "", k.DRUG: ""}
    if len(group):
        first = group.iloc[0]
        row |= {name: first[name] for name in (*ARM, k.DAYS)}
        row[k.DRUG] = str(first[k.DRUG]) if k.DRUG in group else ""
    return row


def _arm(group: pd.DataFrame, *, alone: bool = False, of_two: pd.DataFrame | None = None) -> str:
    """Name of an arm; its modality too, where that tells it from the other."""
    first = group.iloc[0]
    words = [str(first[_ALONE if alone else k.TREATMENT])]
    if np.isfinite(first[k.DOSE]) and first[k.DOSE] > 0:
        words.append(f"{first[k.DOSE]:g} Gy")
    told = of_two is not None and len(of_two) and of_two["modality"].iloc[0] != first["modality"]
    if first["modality"] and (told or of_two is None) and not alone:
        words.append(str(first["modality"]))
    return " ".join(words)


def _when(days: float) -> str:
    return f" @ {days:.3g} d" if np.isfinite(days) else ""


def _without(asked: _Asked, reason: str) -> _Asked:
    return _Asked(asked.row, reason=reason, notes=asked.notes)


def _noted(asked: _Asked, notes: Sequence[str]) -> _Asked:
    return _Asked(asked.row, asked.sides, asked.reason, (*asked.notes, *notes))


def _answer(
    asked: _Asked, every: pd.DataFrame, options: ask.Options
) -> tuple[dict[str, Any], Callable[[str], dict[str, Any]]]:
    """The row of a question, and its numbers for any measure of the same samples."""
    row = dict(asked.row)
    if asked.reason:
        row["note"] = "; ".join(asked.notes)
        return row, lambda _: refused(asked.reason)
    sides = list(asked.sides)
    table = every[every.index.isin(np.concatenate([side.index for side, _ in sides]))]
    answer, groups = _contrast(sides, table, options)
    if answer.confounded:  # arms that are not compared may tell a batch from an arm
        other, n = _contrast(sides, every, options)
        if not other.confounded:
            answer, table, groups = other, every, n
    apart = len(sides) > _ENOUGH and answer.plain
    how = "OLS on samples, variance of each group its own, t" if apart else _POOLED
    if len(sides) > _ENOUGH and not apart:
        how = f"OLS on samples, variance pooled over {groups} groups, t"
    elif table is every:
        how = f"{_POOLED} and others that tell it from the batch"
    row["method"] = "; ".join(filter(None, [how, answer.method]))
    counts = [ask.n_subjects(side) for side, _ in sides]
    small = [_caveat(counts)] if min(counts) <= _ENOUGH else []
    row["note"] = "; ".join([*asked.notes, *small])
    lonely = "" if min(counts) >= _ENOUGH else ask.NO_REPLICATION
    return row, partial(_numbers, sides, table, answer, row["method"], lonely, options)


def _contrast(
    sides: Sequence[tuple[pd.DataFrame, float]], table: pd.DataFrame, options: ask.Options
) -> tuple[ask.Answer, int]:
    """Weighed means of groups, by a model of all groups of a table, and how many these are."""
    number = table.groupby([*ARM, k.DAYS], dropna=False, sort=True, observed=True).ngroup()
    X = pd.get_dummies(number, dtype=float).to_numpy()
    weights = np.zeros(X.shape[1])
    for side, sign in sides:
        weights += sign * X[table.index.get_indexer(side.index)].mean(axis=0)
    answer = ask.ask_all(table, X, weights, options=options, confounded=_CONFOUNDED)
    return answer, X.shape[1]


def _caveat(counts: Sequence[int]) -> str:
    return f"{min(counts)} subject{'s' if min(counts) > 1 else ''} in a group"


def _unpooled(
    sides: Sequence[tuple[pd.DataFrame, float]], name: str, *, counted: bool
) -> tuple[float, float]:
    """Standard error of a contrast and its degrees of freedom, no variance pooled (Satterthwaite).

    Small fractions vary less, and unirradiated arms may not vary at all.
    """
    groups = [side for side, _ in sides]
    parts = np.array([_of_mean(group, name, counted=counted) for group in groups])
    total = float(parts.sum())
    if total <= 0:
        return np.nan, np.nan
    spread = sum(part**2 / (len(group) - 1) for part, group in zip(parts, groups, strict=True))
    return float(np.sqrt(total)), float(total**2 / spread)


def _of_mean(group: pd.DataFrame, name: str, *, counted: bool) -> float:
    """Variance of the mean of an arm; of counted cells never less than that of counting them."""
    values, n = group[name].to_numpy(dtype=float), len(group)
    least = 0.0
    if counted:
        cells = (group["cells"] * group["n_samples"]).to_numpy(dtype=float)
        own = counting_of_fractions(values, cells) if name == "raw" else 1 / (4 * cells)
        least = float(own.sum()) / n**2
    return max(float(values.var(ddof=1)) / n, least)


def _numbers(
    sides: Sequence[tuple[pd.DataFrame, float]],
    table: pd.DataFrame,
    answer: ask.Answer,
    said: str,
    lonely: str,
    options: ask.Options,
    name: str,
) -> dict[str, Any]:
    alpha = options.alpha
    own = table[name].to_numpy(dtype=float)
    found = answer.of(table[name])
    row = numbers(found, own, alpha=alpha, why_not=answer.why_not, no_test=lonely)
    # The scale of fractions is chosen so that arms vary alike; nothing says so of other means.
    alike = name in FRACTIONS or name == SHARE
    if answer.plain and row["status"] == k.TESTED and (len(sides) > _ENOUGH or not alike):
        se, df = _unpooled(sides, name, counted=name in options.counted)
        row |= tested(row["estimate"], se, df, alpha=alpha)
        row |= {} if len(sides) > _ENOUGH else {"method": said.replace(_POOLED, _WELCH)}
    if table["raw"].notna().all():
        plain = answer.of(table["raw"])
        if plain is not None:
            row["estimate_fraction"] = plain.estimate
            if row["status"] == k.TESTED:
                # Beside subjects or a batch the pooled error is all there is.
                row["fraction_se"], row["fraction_df"] = (
                    _unpooled(sides, "raw", counted=True) if answer.plain else (plain.se, plain.df)
                )
    return row
