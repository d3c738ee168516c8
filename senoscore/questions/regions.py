"""Regions of the same subject: core, margin, adjacent, contralateral, abscopal, in pairs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any, Final

import numpy as np

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
    from collections.abc import Iterator, Mapping, Sequence

    import pandas as pd
    from numpy.typing import NDArray


__all__ = ["REGION_QUESTIONS", "asks_of_regions", "regions"]

REGION_QUESTIONS: Final = {
    "region_pair": "Two regions of the same subjects",
    "region_x_treatment": "Do regions differ by another amount in treated subjects?",
    "dose_within_subject": "Dose-response over the regions of the same subjects",
}
"""What is asked of regions, in words."""
_ORDER: Final = {
    "core": 0, "tumour": 1, "tumor": 1, "margin": 2, "adjacent": 3, "contralateral": 4,
    "abscopal": 5, "out": 5,
}  # fmt: skip
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
            groups = _groups(means)
            for measure in values.wanted:
                found = _of_measure(means, groups, measure, values, alpha)
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
    """Regions from the target outwards, by the outermost word that a name has; others last."""

    def place(name: str) -> int:
        words = re.split(r"[^a-z]+", name.lower())
        return max((_ORDER[word] for word in words if word in _ORDER), default=len(_ORDER))

    return sorted(names, key=lambda name: (place(name), name))


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


@dataclass(frozen=True)
class _Group:
    """Subjects of an arm and day, and the row of the means that each has of a region."""

    arm: str
    days: float
    subjects: NDArray[np.object_]
    rows: Mapping[str, NDArray[np.intp]]
    """Region -> rows, one a subject; -1 where a subject has not this region."""


@dataclass(frozen=True)
class _Pairs:
    """Differences of two regions, one a subject; variances that counting cells alone gives them."""

    subjects: NDArray[np.object_]
    y: NDArray[np.float64]
    raw: NDArray[np.float64]
    least: NDArray[np.float64]
    least_raw: NDArray[np.float64]

    @classmethod
    def mean_of(cls, parts: Sequence[_Pairs]) -> _Pairs:
        """One difference a subject: the mean of its days."""
        subjects, where = np.unique(
            np.concatenate([p.subjects for p in parts]), return_inverse=True
        )
        n = np.bincount(where)
        means = (
            np.bincount(where, np.concatenate([getattr(p, name) for p in parts])) / n
            for name in _VALUES
        )
        return cls(subjects, *means)

    def __len__(self) -> int:
        return len(self.subjects)


_Columns = dict[str, "NDArray[np.float64]"]
"""Values of one measure by :data:`_VALUES`, a row of the means each, and NaN as the last."""


def _groups(means: pd.DataFrame) -> list[_Group]:
    regions = list(means["region"].unique())
    out = []
    for (arm, days), own in means.groupby(["_arm", k.DAYS], dropna=False, sort=True, observed=True):
        subjects, where = np.unique(own[k.SUBJECT].to_numpy(dtype=object), return_inverse=True)
        at = {region: np.full(len(subjects), -1) for region in regions}
        for region, subject, row in zip(own["region"], where, own.index, strict=True):
            at[region][subject] = row
        out.append(_Group(str(arm), float(str(days)), subjects, at))
    return out


def _of_measure(
    means: pd.DataFrame, groups: Sequence[_Group], measure: str, values: Values, alpha: float
) -> Iterator[dict[str, Any]]:
    own = _columns(means, groups, measure, values.transform)
    for one, other in combinations(_ordered(set(means["region"])), 2):
        yield from _pairs(own, groups, one, other, values, alpha)
    dose = np.append(means[k.DOSE].to_numpy(dtype=float), np.nan)
    for group in groups:
        found = _slope(own, dose, group, alpha)
        if found is not None:
            yield found


def _columns(
    means: pd.DataFrame, groups: Sequence[_Group], measure: str, transform: str
) -> _Columns:
    """Values of a measure, and the variance that counting cells alone gives them.

    A row without a value has none of the plain fraction either.
    """
    y = means[measure].to_numpy(dtype=float)
    there = np.isfinite(y)
    name = f"raw:{measure}"
    raw = means[name].to_numpy(dtype=float) if name in means else np.full(len(y), np.nan)
    least, least_raw = np.zeros(len(y)), np.zeros(len(y))
    if f"{CELLS}{measure}" in means:
        cells = means[f"{CELLS}{measure}"].to_numpy(dtype=float)
        # Beside fractions, composition is an arcsine too; a logit has no such variance.
        if transform == TRANSFORM or measure not in FRACTIONS:
            least = 1 / (4 * cells)
        least_raw[:] = np.nan
        for rows in (rows for group in groups for rows in group.rows.values()):
            known = rows[rows >= 0]
            known = known[there[known]]
            if len(known):
                least_raw[known] = counting_of_fractions(raw[known], cells[known])
    found = {"y": y, "raw": raw, "least": least, "least_raw": least_raw}
    return {name: np.append(np.where(there, own, np.nan), np.nan) for name, own in found.items()}


def _pairs(
    own: _Columns, groups: Sequence[_Group], one: str, other: str, values: Values, alpha: float
) -> Iterator[dict[str, Any]]:
    """The difference of two regions in every arm and day, then between arms."""
    found: dict[tuple[str, float], _Pairs] = {}
    for group in groups:
        rows = {name: group.rows[name] for name in (one, other)}
        there = {name: np.isfinite(own["y"][at]) for name, at in rows.items()}
        if not any(has.any() for has in there.values()):
            continue
        paired_up = there[one] & there[other]
        mine, base = (at[paired_up] for at in rows.values())
        both = _Pairs(
            group.subjects[paired_up],
            *(own[name][mine] - own[name][base] for name in ("y", "raw")),
            *(own[name][mine] + own[name][base] for name in ("least", "least_raw")),
        )
        title = f"{one} vs {other}, {group.arm}{_when(group.days)}"
        row = _row("region_pair", title, group.arm, group.days, len(both), len(both))
        row |= {"region": one, "against_region": other, "method": "paired t, one pair a subject"}
        row["note"] = _lone(group, there) if len(both) else ""
        yield row | _of_pairs(both, {name: int(has.sum()) for name, has in there.items()}, alpha)
        if len(both):
            found[group.arm, group.days] = both
    yield from _between(found, one, other, values, alpha)


def _of_pairs(both: _Pairs, having: Mapping[str, int], alpha: float) -> dict[str, Any]:
    if not len(both):
        said = " and ".join(f"{count} with {name}" for name, count in having.items())
        return refused(f"no subject has both regions ({said}): nothing to pair")
    numbers = _mean(both.y, alpha, least=_of_counting(both.least))
    if np.isfinite(both.raw).all():
        plain = _mean(both.raw, alpha, least=_of_counting(both.least_raw))
        numbers["estimate_fraction"] = plain["estimate"]
        numbers["fraction_se"] = plain.get("se", np.nan)
        numbers["fraction_df"] = plain.get("df", np.nan)
    return numbers


def _of_counting(least: NDArray[np.float64]) -> float:
    """Variance of a mean over subjects if nothing but the counting of cells varied."""
    return float(least.sum()) / len(least) ** 2


def _mean(differences: NDArray[np.float64], alpha: float, *, least: float) -> dict[str, Any]:
    """Mean of one number a subject, with its t interval and what it would have shown.

    ``least`` is the variance of the mean that cannot be undercut.
    """
    found = paired(differences, alpha=alpha)
    if found["status"] != k.TESTED:
        return found
    se = max(float(differences.std(ddof=1) / np.sqrt(len(differences))), float(np.sqrt(least)))
    return tested(float(found["estimate"]), se, len(differences) - 1, alpha=alpha)


def _lone(group: _Group, there: Mapping[str, NDArray[np.bool_]]) -> str:
    """Subjects of one region only, in words."""
    both = np.logical_and.reduce(list(there.values()))
    said = []
    for name, has in there.items():
        subjects = sorted(map(str, group.subjects[has & ~both]))
        if subjects:
            more = f" and {len(subjects) - _SHOWN} more" if len(subjects) > _SHOWN else ""
            said.append(f"left out, with {name} only: {', '.join(subjects[:_SHOWN])}{more}")
    return "; ".join(said)


def _between(
    found: Mapping[tuple[str, float], _Pairs], one: str, other: str, values: Values, alpha: float
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
                base = _Pairs.mean_of(every) if every else None
                note = "controls of all days" if every else ""
            title = f"({one} - {other}), {arm} vs {against}{_when(days)}"
            n = 0 if base is None else len(base)
            row = _row("region_x_treatment", title, arm, days, len(mine), n)
            row |= {"region": one, "against_region": other, "against": against, "note": note}
            row["method"] = "Welch's t of the differences within subjects"
            if base is None:
                yield row | refused(f"no subject of {against} has both {one} and {other}")
                continue
            shared = set(mine.subjects) & set(base.subjects)
            if shared:
                yield row | refused(f"{len(shared)} subjects are in both arms: no two groups")
                continue
            counting = _of_counting(mine.least), _of_counting(base.least)
            numbers = welch(mine.y, base.y, alpha=alpha, least=counting)
            if np.isfinite(mine.raw).all() and np.isfinite(base.raw).all():
                counting = _of_counting(mine.least_raw), _of_counting(base.least_raw)
                plain = welch(mine.raw, base.raw, alpha=alpha, least=counting)
                numbers["estimate_fraction"] = plain["estimate"]
                numbers["fraction_se"] = plain.get("se", np.nan)
                numbers["fraction_df"] = plain.get("df", np.nan)
            yield row | numbers


def _slope(
    own: _Columns, dose: NDArray[np.float64], group: _Group, alpha: float
) -> dict[str, Any] | None:
    """Dose-response over the regions of each subject; None where there is no question."""
    rows = np.array(list(group.rows.values()))
    known = np.isfinite(own["y"][rows]) & np.isfinite(dose[rows])
    doses = np.unique(dose[rows][known])
    if len(doses) < _MIN_DOSES:
        return None
    slopes, least = [], 0.0
    for mine in (at[has] for at, has in zip(rows.T, known.T, strict=True)):
        x = np.log1p(dose[mine])
        if len(set(x)) >= _MIN_SUBJECTS:
            share = (x - x.mean()) / ((x - x.mean()) ** 2).sum()
            slopes.append(float(share @ own["y"][mine]))
            least += float(share**2 @ own["least"][mine])
    levels = ", ".join(f"{level:g}" for level in doses)
    title = f"{group.arm}, per log1p(Gy) within subjects{_when(group.days)} ({levels} Gy)"
    n = len(slopes)
    row = _row("dose_within_subject", title, group.arm, group.days, n, n)
    row["method"] = "slope of each subject over its regions, mean over subjects, t"
    few = int(known.any(axis=0).sum()) - n
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
