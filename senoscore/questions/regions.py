"""Regions of the same subject: core, margin, adjacent, contralateral, abscopal, in pairs."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from senoscore import names as k
from senoscore.inference import counting_of_fractions, paired
from senoscore.questions.asked import Values, answered, refused, tested, welch
from senoscore.study import (
    CELLS,
    FRACTIONS,
    KINDS,
    TRANSFORM,
    design_extras,
    takes,
    without_drug,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray


__all__ = ["REGION_QUESTIONS", "asks_of_regions", "regions"]

REGION_QUESTIONS: Final = {
    "region_pair": "Two regions of the same subjects",
    "region_x_treatment": "Is the difference between regions another in treated subjects?",
    "dose_within_subject": "Dose-response over the regions of the same subjects",
}
"""What is asked of regions, in words."""
_ORDER: Final = ("core", "tumour", "margin", "adjacent", "contralateral", "abscopal")
"""From the target of the beam outwards; the outer region of a pair is subtracted."""
_VALUES: Final = ["y", "raw", "least", "least_raw"]
_MORE: Final = ("region", "against_region")
_MIN_DOSES: Final = 3
_MIN_SUBJECTS: Final = 2
_SHOWN: Final = 5


@takes(burden="sen.burden(adata)")
def regions(
    burden: pd.DataFrame,
    *,
    control: str = k.CONTROL,
    alpha: float = 0.05,
    transform: str = TRANSFORM,
    measures: Sequence[str] | None = None,
    further: pd.DataFrame | None = None,
) -> pd.DataFrame:
    r"""Compare regions within subjects, at the same time.

    A subject is its own control: every answer is made of one number a subject, so that neither
    animals nor samples count twice. Samples of one region of a subject are averaged.

    Parameters
    ----------
    burden
        As :func:`senoscore.burden` gives it, with the column ``region``, and ``dose_gy`` of each
        region where they had different doses.
    control, alpha, transform, measures, further
        As for :func:`senoscore.arms`.

    Returns
    -------
    One row a compartment, measure and contrast, with the columns of :func:`senoscore.arms`,
    ``region`` and ``against_region``. ``question``:

    - ``region_pair``: mean of the differences between two regions of each subject of an arm
      (paired t),
    - ``region_x_treatment``: those differences in one arm against those in another (Welch): every
      treated arm against control, and with a drug against without,
    - ``dose_within_subject``: slope of each subject over :math:`\log(1 + \mathrm{Gy})` of its
      regions, mean over subjects (t); where a compartment has three doses or more.

    A subject is of the arm of its treated regions. Subjects without the other region are named in
    ``note`` and left out; a pair that no two subjects have is ``not_estimable``.

    Raises
    ------
    InputError
        As for the trend.

    References
    ----------
    Slopes as summary measures of subjects: Matthews, Altman, Campbell & Royston 1990, BMJ 300:230.
    """
    values = Values.of(
        burden, control=control, transform=transform, measures=measures, further=further
    )
    table = values.table[values.table["region"] != ""]
    rows: list[dict[str, Any]] = []
    for compartment, whole in table.groupby(k.COMPARTMENT, sort=True, observed=True):
        kinds = [name for name in KINDS if len(set(whole[name])) > 1]
        for key, group in whole.groupby(list(KINDS), sort=True, observed=True):
            if len(set(group["region"])) < 2:
                continue
            said = dict(zip(KINDS, key, strict=True))
            stratum = ", ".join(str(said[name]) or "not given" for name in kinds)
            head = {k.COMPARTMENT: str(compartment), "stratum": stratum}
            means = _means(_subjects(group, control), values.wanted)
            for measure in values.wanted:
                found = _of_measure(means, measure, values, alpha)
                rows += [head | {"measure": measure} | row for row in found]
    return answered(rows, values, more=_MORE)


def asks_of_regions(samples: pd.DataFrame) -> bool:
    """Whether a samples sheet has a subject with two regions (a sample may also hold several)."""
    if "region" not in samples:
        return False
    region = samples["region"].fillna("").astype(str)
    known = samples.assign(region=region)[region != ""]
    subject = known[k.SUBJECT].where(known[k.SUBJECT] != "", known[k.SAMPLE])
    return bool(known.groupby(subject, observed=True)["region"].nunique().gt(1).any())


def _subjects(table: pd.DataFrame, control: str) -> pd.DataFrame:
    """Give each row the arm and day of its subject, which are those of its treated regions."""
    treated = table[table[k.TREATMENT] != control]
    arm = treated.groupby(k.SUBJECT, observed=True)[k.TREATMENT].agg(
        lambda words: " / ".join(sorted(set(words)))
    )
    known = table[table[k.DAYS].notna()].groupby(k.SUBJECT, observed=True)[k.DAYS]
    only = known.first().where(known.min() == known.max())
    out = table.assign(
        _arm=table[k.SUBJECT].map(arm).fillna(control),
        **{k.DAYS: table[k.DAYS].fillna(table[k.SUBJECT].map(only))},
    )
    return out.drop(columns=design_extras(out))


def _ordered(names: set[str]) -> list[str]:
    place = {name: i for i, name in enumerate(_ORDER)}
    return sorted(names, key=lambda name: (place.get(name.lower(), len(_ORDER)), name))


def _means(table: pd.DataFrame, wanted: Sequence[str]) -> pd.DataFrame:
    """One row an arm, day, subject and region: a second sample of a region is no second region."""
    raw = [f"raw:{name}" for name in wanted if f"raw:{name}" in table]
    cells = [f"{CELLS}{name}" for name in wanted if f"{CELLS}{name}" in table]
    names = [*wanted, *raw, *cells, k.DOSE]
    keys = ["_arm", k.DAYS, k.SUBJECT, "region"]
    own = table[[*keys, *names]].astype(dict.fromkeys(names, float))
    grouped = own.groupby(keys, dropna=False, sort=True, observed=True)
    out = grouped.mean()
    out[cells] = grouped[cells].sum()
    return out.reset_index()


def _of_measure(
    every: pd.DataFrame, measure: str, values: Values, alpha: float
) -> Iterator[dict[str, Any]]:
    means = every[["_arm", k.DAYS, k.SUBJECT, "region", k.DOSE]].assign(
        y=every[measure], raw=every.get(f"raw:{measure}", np.nan)
    )
    means = _with_counting(means[np.isfinite(means["y"])], every, measure, values.transform)
    for one, other in combinations(_ordered(set(every["region"])), 2):
        yield from _pairs(means, one, other, values, alpha)
    for (arm, days), group in means.groupby(
        ["_arm", k.DAYS], dropna=False, sort=True, observed=True
    ):
        found = _slope(group, str(arm), float(str(days)), alpha)
        if found is not None:
            yield found


def _with_counting(
    means: pd.DataFrame, every: pd.DataFrame, measure: str, transform: str
) -> pd.DataFrame:
    """Add the variance that counting cells alone gives each value, and each plain fraction."""
    if f"{CELLS}{measure}" not in every:
        return means.assign(least=0.0, least_raw=0.0)
    cells = every.loc[means.index, f"{CELLS}{measure}"]
    # Beside fractions, composition is an arcsine too; a logit has no such variance.
    arcsine = transform == TRANSFORM or measure not in FRACTIONS
    plain = pd.Series(np.nan, index=means.index)
    for _, own in means.groupby(["_arm", k.DAYS, "region"], dropna=False, observed=True):
        of = cells[own.index].to_numpy(dtype=float)
        plain[own.index] = counting_of_fractions(own["raw"].to_numpy(dtype=float), of)
    return means.assign(least=1 / (4 * cells) if arcsine else 0.0, least_raw=plain)


def _pairs(
    means: pd.DataFrame, one: str, other: str, values: Values, alpha: float
) -> Iterator[dict[str, Any]]:
    """The difference of two regions in every arm and day, then between arms."""
    there = means[means["region"].isin([one, other])]
    found: dict[tuple[str, float], pd.DataFrame] = {}
    for (arm, days), group in there.groupby(
        ["_arm", k.DAYS], dropna=False, sort=True, observed=True
    ):
        when = float(str(days))
        wide = pd.DataFrame(
            group.set_index([k.SUBJECT, "region"])[_VALUES].unstack()  # noqa: PD010
        )
        both = _differences(wide, one, other)
        title = f"{one} vs {other}, {arm}{_when(when)}"
        row = _row("region_pair", title, str(arm), when, len(both), len(both))
        row |= {"region": one, "against_region": other, "method": "paired t, one pair a subject"}
        row["note"] = _lone(group, both, one, other)
        yield row | _of_pairs(both, group, one, other, alpha)
        if len(both):
            found[str(arm), when] = both
    yield from _between(found, one, other, values, alpha)


def _differences(wide: pd.DataFrame, one: str, other: str) -> pd.DataFrame:
    names = set(wide.columns.get_level_values(1))
    if not {one, other} <= names:
        return pd.DataFrame({name: [] for name in _VALUES}, dtype=float)
    both = pd.DataFrame({n: wide[n, one] - wide[n, other] for n in ("y", "raw")})
    for name in ("least", "least_raw"):
        both[name] = wide[name, one] + wide[name, other]
    return both[both["y"].notna()]


def _of_pairs(
    both: pd.DataFrame, group: pd.DataFrame, one: str, other: str, alpha: float
) -> dict[str, Any]:
    if both.empty:
        n = {name: group.loc[group["region"] == name, k.SUBJECT].nunique() for name in (one, other)}
        said = " and ".join(f"{count} with {name}" for name, count in n.items())
        return refused(f"no subject has both regions ({said}): nothing to pair")
    numbers = _mean(both["y"].to_numpy(dtype=float), alpha, least=_of_counting(both, "least"))
    if both["raw"].notna().all():
        least = _of_counting(both, "least_raw")
        plain = _mean(both["raw"].to_numpy(dtype=float), alpha, least=least)
        numbers["estimate_fraction"] = plain["estimate"]
        numbers["fraction_se"] = plain.get("se", np.nan)
        numbers["fraction_df"] = plain.get("df", np.nan)
    return numbers


def _of_counting(both: pd.DataFrame, name: str) -> float:
    """Variance of a mean over subjects if nothing but the counting of cells varied."""
    return float(both[name].sum()) / len(both) ** 2


def _mean(differences: NDArray[np.float64], alpha: float, *, least: float) -> dict[str, Any]:
    """Mean of one number a subject, with its t interval and what it would have shown.

    ``least`` is the variance of the mean that cannot be undercut.
    """
    found = paired(differences, alpha=alpha)
    if found["status"] != k.TESTED:
        return found
    se = max(float(differences.std(ddof=1) / np.sqrt(len(differences))), float(np.sqrt(least)))
    return tested(float(found["estimate"]), se, len(differences) - 1, alpha=alpha)


def _lone(group: pd.DataFrame, both: pd.DataFrame, one: str, other: str) -> str:
    """Subjects of one region only, in words."""
    lone = group[~group[k.SUBJECT].isin(both.index)]
    said = []
    for name in (one, other):
        subjects = sorted(map(str, lone.loc[lone["region"] == name, k.SUBJECT].unique()))
        if subjects and len(both):
            more = f" and {len(subjects) - _SHOWN} more" if len(subjects) > _SHOWN else ""
            said.append(f"left out, with {name} only: {', '.join(subjects[:_SHOWN])}{more}")
    return "; ".join(said)


def _between(
    found: dict[tuple[str, float], pd.DataFrame], one: str, other: str, values: Values, alpha: float
) -> Iterator[dict[str, Any]]:
    """Differences between regions of one arm against those of another at the same time."""
    arms = {arm for arm, _ in found}
    for (arm, days), mine in found.items():
        alone, drug = without_drug(arm)
        others = [values.control] if arm != values.control else []
        if drug and alone in arms and alone != values.control:
            others.append(alone)
        for against in others:
            base = found.get((against, days))
            note = ""
            if base is None and against == values.control:
                every = [group for (name, _), group in found.items() if name == against]
                base = pd.concat(every).groupby(level=0, observed=True).mean() if every else None
                note = "controls of all days" if every else ""
            title = f"({one} - {other}), {arm} vs {against}{_when(days)}"
            n = 0 if base is None else len(base)
            row = _row("region_x_treatment", title, arm, days, len(mine), n)
            row |= {"region": one, "against_region": other, "against": against, "note": note}
            row["method"] = "Welch's t of the differences within subjects"
            if base is None:
                yield row | refused(f"no subject of {against} has both {one} and {other}")
                continue
            shared = sorted(set(mine.index) & set(base.index))
            if shared:
                yield row | refused(f"{len(shared)} subjects are in both arms: no two groups")
                continue
            numbers = _against(mine, base, "y", "least", alpha)
            if mine["raw"].notna().all() and base["raw"].notna().all():
                plain = _against(mine, base, "raw", "least_raw", alpha)
                numbers["estimate_fraction"] = plain["estimate"]
                numbers["fraction_se"] = plain.get("se", np.nan)
                numbers["fraction_df"] = plain.get("df", np.nan)
            yield row | numbers


def _against(
    mine: pd.DataFrame, base: pd.DataFrame, name: str, least: str, alpha: float
) -> dict[str, Any]:
    one, other = (side[name].to_numpy(dtype=float) for side in (mine, base))
    counting = _of_counting(mine, least), _of_counting(base, least)
    return welch(one, other, alpha=alpha, least=counting)


def _slope(group: pd.DataFrame, arm: str, days: float, alpha: float) -> dict[str, Any] | None:
    """Dose-response over the regions of each subject; None where there is no question."""
    known = group[group[k.DOSE].notna()]
    if known[k.DOSE].nunique() < _MIN_DOSES:
        return None
    slopes, least = [], 0.0
    for _, own in known.groupby(k.SUBJECT, sort=True, observed=True):
        x = np.log1p(own[k.DOSE].to_numpy(dtype=float))
        if len(set(x)) >= _MIN_SUBJECTS:
            slopes.append(float(np.polyfit(x, own["y"].to_numpy(dtype=float), 1)[0]))
            share = (x - x.mean()) / ((x - x.mean()) ** 2).sum()
            least += float(share**2 @ own["least"].to_numpy(dtype=float))
    levels = ", ".join(f"{dose:g}" for dose in sorted(known[k.DOSE].unique()))
    title = f"{arm}, per log1p(Gy) within subjects{_when(days)} ({levels} Gy)"
    n = len(slopes)
    row = _row("dose_within_subject", title, arm, days, n, n)
    row["method"] = "slope of each subject over its regions, mean over subjects, t"
    few = known[k.SUBJECT].nunique() - n
    row["note"] = f"{few} subjects with one dose left out" if few else ""
    if not slopes:
        return row | refused("no subject has regions of two doses: the dose is between subjects")
    return row | _mean(np.array(slopes), alpha, least=least / n**2)


def _row(question: str, title: str, arm: str, days: float, n: int, other: int) -> dict[str, Any]:
    return {
        "question": question, "contrast": title, k.TREATMENT: arm, "against": "", k.DRUG: "",
        "region": "", "against_region": "", k.DAYS: days, "n_treated": n, "n_control": other,
        "modality": "", "design": "repeated", "method": "", "reason": "", "note": "",
    }  # fmt: skip


def _when(days: float) -> str:
    return f" @ {days:.3g} d" if np.isfinite(days) else ""
