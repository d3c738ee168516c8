"""From cells to samples: one row per sample and compartment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from senoscore import names as k
from senoscore.errors import InputError
from senoscore.io import flags
from senoscore.study import (
    KINDS,
    MATCHED_SETS,
    check_days,
    control_word,
    controls_at,
    design_extras,
    designed,
    one_per_sample,
    plain,
    refuse_copied_cells,
    refuse_unknown_control,
    regions_apart,
    takes,
    unirradiated,
    with_arms,
    without_controls,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData
    from numpy.typing import NDArray
    from pandas.core.groupby import SeriesGroupBy


__all__ = ["COLUMNS", "burden", "cells_of", "tissue_burden", "wilson"]

POSITIVE: Final = "panel_positive"
_BY_PROGRAMME: Final = {
    "n_by_programme": (k.LEARNED, k.LEARNED_SINGLE),
    "n_single_control": (k.LEARNED_SINGLE,),
}
_COVARIATES: Final = {
    "n_counts": "median_counts",
    "n_genes": "median_genes",
    "pct_mt": "median_pct_mt",
}
_DESIGN: Final = (
    k.SUBJECT, k.TREATMENT, k.DOSE, "n_fractions", "bed_gy", "eqd2_gy", "modality", k.DAYS,
    k.BATCH, "region",
)  # fmt: skip
_NUMBERS: Final = (k.DOSE, "n_fractions", "bed_gy", "eqd2_gy", k.DAYS)
_FACTS: Final = (k.DATASET, "assay", "organism")
_LOWER: Final = "excess is a lower bound on prevalence"
_MISSES: Final = "cells called at the stated false discovery rate: what is missed comes on top"
_ESTIMATED: Final = (
    "prevalence", "prevalence_lo", "prevalence_hi", "arrested", "arrested_lo", "arrested_hi",
    "n_beyond", "n_judged",
)  # fmt: skip
_ALIKE: Final = [k.COMPARTMENT, *KINDS]
"""Rows that may share a control: nuclei are no baseline of cells, mice none of patients."""


def burden(
    data: pd.DataFrame | AnnData,
    *,
    samples: pd.DataFrame | None = None,
    sample: str = k.SAMPLE,
    compartment: str = k.COMPARTMENT,
    control: str = k.CONTROL,
    min_cells: int = 30,
    min_days_stable: float = 7.0,
    prevalence: pd.DataFrame | None = None,
    rates: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Summarise cells to one row per sample and compartment.

    Parameters
    ----------
    data
        Called cells: a table with sample, compartment, ``senescence_state``,
        ``senescence_index`` and any ``z:<axis>`` and ``<method>:<signature>`` columns, or an
        AnnData after :func:`senoscore.call`. Cells whose ``keep`` is false do not count.
        ``dataset``, ``assay`` (sc, sn, bulk, array) and ``organism`` are facts of a sample; where
        they are given, only samples of the same assay and organism share controls. A ``region``
        column that differs between cells of a sample makes the rows sample x region x
        compartment.
    samples
        Samples sheet (subject, treatment, dose_gy, n_fractions, bed_gy, eqd2_gy, modality,
        days_post_rt, batch, region, and drug, dose_rate_gy_s, let_kev_um, ``cov_*``, ``ext_*``
        where it has them); None takes those columns from the cells. A sample without cells still
        has its rows. Samples with a drug are arms of their own (:func:`senoscore.study.with_arms`).
    sample, compartment
        Columns.
    control
        Treatment that means not irradiated, such as ``"sham"``.
    min_cells
        Assessable cells below which a sample gives no fraction (status ``few_cells``).
    min_days_stable
        Days after irradiation before which the pattern is an acute damage response (status
        ``acute``).
    prevalence
        Estimated senescent and arrested shares (sample, compartment, n_judged, prevalence,
        prevalence_lo, prevalence_hi, shifted, n_beyond, arrested, arrested_lo, arrested_hi,
        withheld); None takes those that :func:`senoscore.call` left in an AnnData.
    rates
        ``.rates`` of the calibration: how often control cells fulfil rules; None leaves
        ``control_escaped`` and ``control_acute`` empty.

    Returns
    -------
    Every sample x every compartment seen anywhere: facts and design, ``n_cells`` (kept),
    ``n_assessable``, ``n_<state>``, ``n_positive``: cells that fulfil the panel's composite rule,
    whatever the clock and the per-cell FDR say. ``engine``: what finds the senescent cells of the
    compartment, ``learned`` or ``panel``. ``n_called``: the cells of state ``senescent`` where a
    programme was learnt (in controls those that the same cuts let pass; of a single control subject
    the candidates, which are the cells that the programme calls), else, and before
    ``min_days_stable``, n_positive. ``fraction`` = n_called / n_assessable (0..1) with
    ``fraction_lo`` and ``fraction_hi``
    (95 % Wilson interval over the cells of this sample only: it says nothing of other animals),
    ``control_fraction`` (mean over control subjects, the error rate of the same measure: those of
    the same day where there are two, else all; of the same region where each irradiated region has
    some, as :func:`senoscore.trend` compares), ``excess`` (fraction - control_fraction, a lower
    bound on the share of cells that irradiation changed, because the cut has a miss rate),
    ``prevalence`` with its 95 % interval and ``shifted`` (share estimated without naming cells),
    ``arrested`` with its 95 % interval (share that is arrested along the learnt programme, whatever
    it secretes; from ``n_beyond`` of ``n_judged`` cells further along arrest than nine in ten
    control cells: docs/call.md),
    ``rule_fraction``, ``rule_control_fraction`` and ``rule_excess`` (the same three by the panel's
    rule), ``control_escaped`` and ``control_acute`` (how often control cells would be of those
    states), ``share`` (of the kept cells of the sample, or region),
    medians of depth, ``index_mean``, ``mean:<column>``, ``status`` and ``note``. Status is ok,
    acute (before ``min_days_stable``: not senescence yet), no_time (irradiated, and nobody knows
    when: never called senescent), other_depth (the sample is far deeper or shallower than the
    controls: nothing is called), few_cells, absent, no_control (no fraction either),
    not_assessable, or profile (the sample is one bulk profile, by its assay: means and no
    fraction).

    Raises
    ------
    InputError
        A column is missing, a sample of the cells is not in ``samples``, two samples have the
        same cells, no sample has a
        ``control`` that was asked for by name, or a treated sample is
        of a day before irradiation.

    Examples
    --------
    >>> burden = sen.burden(adata)
    >>> tumour = burden[burden["compartment"] == "tumour"]
    >>> tumour.groupby("treatment")["fraction"].mean().round(1)
    treatment
    control                   0.0
    irradiated                0.2
    irradiated + senolytic    0.1
    Name: fraction, dtype: float64
    """
    control = control_word(control)
    cells = data if isinstance(data, pd.DataFrame) else cells_of(data)
    if prevalence is None and not isinstance(data, pd.DataFrame):
        prevalence = data.uns.get(k.UNS, {}).get("prevalence")
    cells = cells.reset_index(drop=True)
    _check(cells, (sample, compartment, k.STATE, k.INDEX))
    extras = design_extras(cells)
    cells = plain(
        cells, (*_DESIGN, *extras, *_FACTS, "region", k.STATE, k.KEEP, POSITIVE, k.ENGINE)
    )
    if cells[sample].isna().any():
        msg = f"{int(cells[sample].isna().sum())} cells have no sample (column {sample!r})"
        raise InputError(msg, fix="give each cell a sample, or leave those cells out")
    label = cells[compartment].astype(object)
    cells[k.SAMPLE] = cells[sample].astype(str)
    measured = [n for n in cells if n == k.INDEX or str(n).startswith(f"z{k.SEP}")]
    refuse_copied_cells(cells[k.SAMPLE], cells[measured].to_numpy(np.float64), "cells")
    cells[k.COMPARTMENT] = label.where(label.notna(), k.UNASSIGNED).astype(str)
    unit = _unit(cells)
    if samples is None:
        cells = with_arms(cells)
    design = (*_DESIGN, *extras) if samples is None else ()
    one_per_sample(cells, (n for n in (*design, *_FACTS[1:]) if n not in unit))
    sheet = _design(cells, None if samples is None else with_arms(plain(samples)), unit)
    treatments = sheet[k.TREATMENT].dropna().astype(str)
    refuse_unknown_control(treatments, k.TREATMENT, control, of="sample")
    designed(sheet)  # refuses what the models would refuse, while the samples are at hand
    kept = cells
    if k.KEEP in cells:
        kept = cells[flags(cells[k.KEEP])]
    by = [kept[name] for name in (*unit, k.COMPARTMENT)]
    named = pd.DataFrame({k.COMPARTMENT: sorted(cells[k.COMPARTMENT].unique())})
    index = pd.MultiIndex.from_frame(sheet[unit].merge(named, how="cross"))
    table = _counts(kept, by).reindex(index, fill_value=0)
    table = table.join(_means(kept, by)).reset_index()
    table = sheet.merge(table, on=unit, how="right", validate="one_to_many")
    check_days(table, control=control)
    total = table.groupby(unit, observed=True)["n_cells"].transform("sum")
    table["share"] = table["n_cells"] / total.where(total > 0)
    is_profile = _profiles(cells, table)
    _fractions(table, is_profile, control=control, min_cells=min_cells, stable=min_days_stable)
    withheld = _amounts(table, unit, prevalence, rates)
    _status(table, is_profile, control=control, min_cells=min_cells, stable=min_days_stable)
    _other_depth(table, withheld)
    return _ordered(table)


def wilson(successes: NDArray[np.float64], n: NDArray[np.float64]) -> NDArray[np.float64]:
    """95 % Wilson interval of a fraction; NaN where n is 0. Shape (len, 2).

    Own code, since ``statsmodels.stats.proportion.proportion_confint(method="wilson")`` warns of
    every n of 0 and differs in the last bit (up to 3.3e-16 in 20,000 draws, statsmodels 0.15.0),
    which would change tables of earlier runs for nothing.

    References
    ----------
    Wilson 1927, J Am Stat Assoc 22:209.
    """
    z = 1.959963984540054
    with np.errstate(invalid="ignore", divide="ignore"):
        p = successes / n
        centre = (p + z**2 / (2 * n)) / (1 + z**2 / n)
        half = z / (1 + z**2 / n) * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    return np.stack([centre - half, centre + half], axis=1)


def cells_of(adata: AnnData) -> pd.DataFrame:
    """Obs of called cells with axis z values and scores beside it."""
    facts = adata.uns.get(k.UNS, {})
    known = {name: facts[name] for name in _FACTS[1:] if name in facts and name not in adata.obs}
    parts = [adata.obs.assign(**known)]
    for key, table in adata.obsm.items():
        if not isinstance(table, pd.DataFrame):
            continue
        if key == k.OBSM_EVIDENCE:
            parts.append(table.add_prefix("z:"))
        elif key.startswith("score_") and not key.endswith(("_z", "_p")):
            parts.append(table.add_prefix(key.removeprefix("score_") + k.SEP))
    return pd.concat(parts, axis=1)


def _check(cells: pd.DataFrame, needed: Sequence[str]) -> None:
    missing = [name for name in needed if name not in cells]
    if missing:
        msg = f"the cells have no column {', '.join(map(repr, missing))}"
        raise InputError(msg, fix="call the cells first (sen.call), and name the columns")


def _unit(cells: pd.DataFrame) -> list[str]:
    """Sample; with its region where cells of one sample come from several."""
    if (
        "region" not in cells
        or (cells.groupby(k.SAMPLE, observed=True)["region"].nunique() < 2).all()
    ):
        return [k.SAMPLE]
    cells["region"] = cells["region"].astype(object).fillna("").astype(str)
    return [k.SAMPLE, "region"]


def _design(cells: pd.DataFrame, samples: pd.DataFrame | None, unit: list[str]) -> pd.DataFrame:
    """One row a unit with facts and design columns; missing ones are empty."""
    of_samples = cells.groupby(k.SAMPLE, sort=True, observed=True)
    if samples is None:
        wanted = (*_DESIGN, *design_extras(cells))
        present = [name for name in wanted if name in cells and name not in unit]
        sheet = of_samples[present].first().reset_index(names=k.SAMPLE)
    else:
        if k.SAMPLE not in samples:
            msg = f"the samples sheet has no column {k.SAMPLE!r}"
            raise InputError(msg, fix="give samples= a table with one row a sample")
        unknown = sorted(set(map(str, of_samples.groups)) - set(samples[k.SAMPLE]))
        if unknown:
            msg = f"the samples sheet has no row for {', '.join(map(repr, unknown[:5]))}"
            raise InputError(msg, fix="add the rows")
        twice = samples[k.SAMPLE][samples[k.SAMPLE].duplicated()]
        if len(twice):
            msg = f"the samples sheet has several rows for {twice.iloc[0]!r}"
            raise InputError(msg, fix="give each sample one row")
        wanted = (k.SAMPLE, *_DESIGN, *design_extras(samples))
        present = [c for c in wanted if c in samples and c not in unit[1:]]
        sheet = samples[present].sort_values(k.SAMPLE, kind="stable", ignore_index=True)
    if len(unit) > 1:
        sheet = sheet.merge(cells[unit].drop_duplicates().sort_values(unit), how="left")
        sheet["region"] = sheet["region"].fillna("")
    for name in _DESIGN:
        if name not in sheet:
            sheet[name] = np.nan if name in _NUMBERS else ""
    empty = [c for c in design_extras(sheet) if (sheet[c].isna() | sheet[c].eq("")).all()]
    sheet = sheet.drop(columns=empty)
    for place, name in enumerate(_FACTS):
        known = sheet[k.SAMPLE].map(_facts(cells, name)) if name in cells else ""
        sheet.insert(place, name, pd.Series(known, index=sheet.index, dtype=object).fillna(""))
    return sheet


def _facts(cells: pd.DataFrame, name: str) -> pd.Series:
    """Fact of each sample; the data sets of a sample that is in several, joined by ``+``."""
    pairs = cells[[k.SAMPLE, name]].dropna().drop_duplicates().sort_values([k.SAMPLE, name])
    grouped = pairs[name].astype(str).groupby(pairs[k.SAMPLE], observed=True)
    return grouped.agg("+".join)


def _profiles(cells: pd.DataFrame, table: pd.DataFrame) -> pd.Series:
    """Rows of whole profiles: by assay; where that is not given, one row in ``bulk``.

    A sample of which a single cell was left is no profile.
    """
    if "assay" in cells:
        return table["assay"].isin(k.PROFILES)
    rows = cells.groupby(k.SAMPLE, observed=True)[k.COMPARTMENT].agg(["size", "first"])
    lone = rows.index[rows["size"].eq(1) & rows["first"].eq(k.BULK)]
    return table[k.SAMPLE].isin(lone)


def _counts(kept: pd.DataFrame, by: list[pd.Series]) -> pd.DataFrame:
    states = pd.Categorical(kept[k.STATE].astype(str), categories=list(k.STATES))
    table = pd.crosstab(by, states, dropna=False)
    table = table.reindex(columns=list(k.STATES), fill_value=0).add_prefix("n_")
    table.columns.name = None
    table.insert(0, "n_cells", table.sum(axis=1))
    table.insert(1, "n_assessable", table["n_cells"] - table["n_not_assessable"])
    if POSITIVE in kept:
        positive = flags(kept[POSITIVE])
    else:
        positive = kept[k.STATE].astype(str).isin(["senescent", "senescent_candidate"])
    counted = positive.groupby(by, observed=True).sum()
    table["n_positive"] = counted.reindex(table.index, fill_value=0)
    engine = kept[k.ENGINE].astype(str) if k.ENGINE in kept else pd.Series("", index=kept.index)
    for name, engines in _BY_PROGRAMME.items():
        counted = engine.isin(engines).groupby(by, observed=True).sum()
        table[name] = counted.reindex(table.index, fill_value=0)
    return table


def _means(kept: pd.DataFrame, by: list[pd.Series]) -> pd.DataFrame:
    scores = [
        name
        for name in kept.columns
        if isinstance(name, str) and k.SEP in name and pd.api.types.is_numeric_dtype(kept[name])
    ]
    groups = kept.groupby(by, observed=True)
    code = groups.ngroup().to_numpy()

    def of(name: str) -> SeriesGroupBy:
        # A column at a time: all of them as float64 would be most of the memory of a large study.
        return kept[name].astype(float).groupby(code, observed=True)

    present = {name: new for name, new in _COVARIATES.items() if name in kept}
    columns = {new: of(name).median() for name, new in present.items()}
    columns["index_mean"] = of(k.INDEX).mean()
    columns |= {f"mean:{name}": of(name).mean() for name in scores}
    return pd.DataFrame(columns).set_axis(groups.size().index)


def _fractions(
    table: pd.DataFrame, is_profile: pd.Series, *, control: str, min_cells: int, stable: float
) -> None:
    """Share of called cells and of those that fulfil the panel's rule, each against its controls.

    Called are the cells of state senescent where a programme was learnt in the compartment (of a
    single control subject: its candidates), those that fulfil the rule elsewhere and before day
    ``stable``.
    """
    by_programme, single = (table.pop(name) > 0 for name in _BY_PROGRAMME)
    same = [table[name] for name in _ALIKE]
    grouped = by_programme.groupby(same, dropna=False, observed=True)
    learned = grouped.transform("any").astype(bool)
    early = (table[k.TREATMENT] != control) & (table[k.DAYS] < stable)
    table["engine"] = np.where(learned, k.LEARNED, k.PANEL)
    found = table["n_senescent"] + table["n_senescent_candidate"].where(single, 0)
    called = found.where(learned, table["n_positive"])
    enough = (table["n_assessable"] >= min_cells) & ~is_profile
    n = table["n_assessable"].where(enough).to_numpy(dtype=float)
    table["rule_fraction"] = table["n_positive"].to_numpy(dtype=float) / n
    table["rule_control_fraction"] = _control_fraction(table, control, "rule_fraction")
    table["rule_excess"] = table["rule_fraction"] - table["rule_control_fraction"]
    table["fraction"] = called.to_numpy(dtype=float) / n
    of_controls = _control_fraction(table, control, "fraction")
    table["control_fraction"] = of_controls.where(~early, table["rule_control_fraction"])
    table["n_called"] = called.where(~early, table["n_positive"]).astype(np.int64)
    counted = table["n_called"].to_numpy(dtype=float)
    table["fraction"] = counted / n
    table[["fraction_lo", "fraction_hi"]] = wilson(counted, n)
    table["excess"] = table["fraction"] - table["control_fraction"]


def _amounts(
    table: pd.DataFrame,
    unit: list[str],
    prevalence: pd.DataFrame | None,
    rates: pd.DataFrame | None,
) -> pd.Series:
    """Put the estimated prevalence in, and how often controls would be of the unrated states.

    Returns
    -------
    Why no prevalence is given, by row; empty where it is, or where nothing was learnt.
    """
    withheld = pd.Series("", index=table.index, dtype=object)
    names = [*_ESTIMATED, "shifted"]
    table[names[:-1]], table["shifted"] = np.nan, ""
    if prevalence is not None and len(prevalence) and unit == [k.SAMPLE]:
        by = [k.SAMPLE, k.COMPARTMENT]
        amounts = prevalence.assign(**{name: prevalence[name].astype(str) for name in by})
        rows = pd.MultiIndex.from_frame(table[by])
        found = amounts.set_index(by).reindex(rows, columns=[*names, "withheld"])
        withheld = found["withheld"].fillna("").astype(str).set_axis(table.index)
        known = found["prevalence"].notna().to_numpy()
        for name in names[:-1]:
            table[name] = found[name].to_numpy(dtype=float)
        moved = found["shifted"].astype(str).str.lower().eq("true").to_numpy()
        table["shifted"] = np.where(known, np.where(moved, "true", "false"), "")
    for name, rate in (("control_escaped", "rate_escaped"), ("control_acute", "rate_acute")):
        table[name] = np.nan
        if rates is not None and rate in rates:
            mean = rates.groupby(k.COMPARTMENT, observed=True)[rate].mean()
            table[name] = table[k.COMPARTMENT].map(mean).astype(float)
    return withheld


def _control_fraction(table: pd.DataFrame, control: str, measure: str) -> pd.Series:
    """Mean of a fraction over the control subjects that each row is compared with."""
    own = table[k.SUBJECT].astype(object).where(table[k.SUBJECT].notna(), "").astype(str)
    named = table.assign(**{k.SUBJECT: own.where(own != "", table[k.SAMPLE])})
    out = pd.Series(np.nan, index=table.index)
    for _, whole in named.groupby(_ALIKE, observed=True):
        regions = whole["region"] if regions_apart(whole, control=control) else whole[k.COMPARTMENT]
        for _, group in whole.groupby(regions, observed=True):
            controls = group[(group[k.TREATMENT] == control) & group[measure].notna()]
            for days, rows in group.groupby(k.DAYS, dropna=False, observed=True):
                base, _ = controls_at(controls, float(str(days)))
                subjects = base.groupby([k.SUBJECT, k.DAYS], dropna=False, observed=True)[
                    measure
                ].mean()
                out[rows.index] = subjects.mean()
    return out


def _status(
    table: pd.DataFrame, is_profile: pd.Series, *, control: str, min_cells: int, stable: float
) -> None:
    is_control = table[k.TREATMENT] == control
    bare = unirradiated(table, control)  # with a drug too: nothing is acute that was not irradiated
    counted = (is_control & (table["n_cells"] > 0)).groupby(
        [table[name] for name in _ALIKE], observed=True
    )
    without = ~counted.transform("any")
    few = table["n_assessable"] < min_cells
    cells = table["n_assessable"].astype(str) + f" assessable cells, {min_cells} are needed"
    rules = [
        (table["n_cells"] == 0, "absent", "no cell of this compartment; absent is not zero"),
        (is_profile, "profile", "one profile of a whole sample: means, no fraction"),
        (without, "no_control", _why_no_control(table, is_control, control)),
        (table["n_assessable"] == 0, "not_assessable", "no cell could be assessed"),
        (few, "few_cells", cells),
        (
            ~bare & table[k.DAYS].isna(),
            "no_time",
            "no time after irradiation: never called senescent; give time_post_rt",
        ),
        (
            ~bare & (table[k.DAYS] < stable),
            "acute",
            f"before {stable:g} d the pattern is an acute damage response, not senescence",
        ),
    ]
    conditions = [rule[0].to_numpy(dtype=bool) for rule in rules]
    notes = [pd.Series(rule[2], index=table.index).to_numpy(dtype=object) for rule in rules]
    table["status"] = np.select(conditions, [rule[1] for rule in rules], default="ok")
    table["note"] = np.select(conditions, notes, default=_LOWER)
    called = (table["status"] == "ok") & (table["engine"] == k.LEARNED)
    table.loc[called, "note"] = _MISSES
    alone = table["status"].isin(["ok", "acute"]) & table["control_fraction"].isna()
    table.loc[alone, "note"] = f"no control sample has {min_cells} assessable cells: no excess"
    alone = table[k.COMPARTMENT].isin(without_controls(table, control=control))
    if any(str(name).startswith("mean:z:") for name in table):
        # The same column, another unit: without a word the two would be compared.
        table.loc[alone & (table["n_cells"] > 0), "note"] += f"; mean:z:* are in {MATCHED_SETS}"
    # A rule without its controls has a cut of its own making: what it counts is no fraction.
    fractions = ["fraction", "fraction_lo", "fraction_hi", "rule_fraction"]
    table.loc[table["status"] == "no_control", fractions] = np.nan


def _other_depth(table: pd.DataFrame, withheld: pd.Series) -> None:
    """Say why there is no prevalence; where that is for depth, there is no fraction either.

    No cell of such a sample is called, whatever it is: 0 would be read as an answer.
    """
    table["note"] += withheld.where(withheld == "", "; no prevalence: " + withheld)
    deep = withheld.str.startswith("depth") & (table["engine"] == k.LEARNED)
    deep &= table["status"] == "ok"
    table.loc[deep, ["fraction", "fraction_lo", "fraction_hi", "excess"]] = np.nan
    table.loc[deep, "status"] = "other_depth"
    table.loc[deep, "note"] = withheld + ": its cells are candidates at most, and no fraction"


def _why_no_control(table: pd.DataFrame, is_control: pd.Series, control: str) -> pd.Series:
    """Tell a study without controls from controls elsewhere and controls without such cells."""
    if not is_control.any():
        why = f"no sample of this run has treatment {control!r}: no call"
        return pd.Series(why, index=table.index)
    same = is_control.groupby([table[name] for name in _ALIKE[1:]], observed=True).transform("any")
    out = pd.Series("no control sample has this compartment: no call", index=table.index)
    return out.where(same, "no control sample of this assay and organism: no call")


def _ordered(table: pd.DataFrame) -> pd.DataFrame:
    extras = design_extras(table)
    front = [k.DATASET, k.SAMPLE, *_DESIGN, *extras, *_FACTS[1:], k.COMPARTMENT]
    front += ["n_cells", "n_assessable"]
    front += [f"n_{state}" for state in k.STATES] + ["n_positive", "n_called", "engine"]
    front += ["fraction", "fraction_lo", "fraction_hi", "control_fraction", "excess"]
    front += [*_ESTIMATED[:3], "shifted", *_ESTIMATED[3:]]
    front += ["rule_fraction", "rule_control_fraction", "rule_excess"]
    front += ["control_escaped", "control_acute", "share"]
    rest = [name for name in table if name not in (*front, "status", "note")]
    return table[[*front, *rest, "status", "note"]].reset_index(drop=True)


COLUMNS: Final = (
    k.DATASET, k.SAMPLE, k.SUBJECT, k.TREATMENT, k.DOSE, k.DAYS, k.BATCH, "region", "assay",
    "organism", "n_assessable", "fraction_crude", "fraction_standardised",
    "control_standardised", "excess_standardised", "weight_covered", "weights", "status", "note",
)  # fmt: skip
_ENOUGH: Final = 0.8
_RARE: Final = 0.005
"""Mean share in controls below which a compartment has no weight: stray labels."""
_ALL: Final = 0.999
_HEAD: Final = COLUMNS[:10]


@takes(needs=[k.SAMPLE], burden="sen.burden(adata)")
def tissue_burden(burden: pd.DataFrame, *, control: str = k.CONTROL) -> pd.DataFrame:
    r"""Standardise the senescent fraction of a tissue to fixed shares of its compartments.

    A crude fraction rises when a compartment of high fraction becomes more frequent, with no cell
    changed. Direct standardisation takes the shares from the controls:
    :math:`F = \sum_c w_c f_c / \sum_c w_c`, with :math:`w_c` the mean share of compartment c
    over control samples (of the same assay and organism); unassigned cells and compartments of
    under 0.5 % are left out.

    Parameters
    ----------
    burden
        As :func:`senoscore.burden` gives it.
    control
        Treatment that means not irradiated.

    Returns
    -------
    One row a sample (and region): ``fraction_crude`` (all assessable cells together),
    ``fraction_standardised``, ``control_standardised`` (control fractions of the same
    compartments under the same weights), their difference ``excess_standardised``,
    ``weight_covered`` (share of the weights whose compartments this sample has a fraction of),
    ``weights`` in words. ``status`` is ok, partial (some compartments missing: the rest was
    scaled up, on both sides), not_estimable (less than 80 % of the weights) or no_control.

    References
    ----------
    Direct standardisation: Breslow and Day 1987, Statistical Methods in Cancer Research II, ch. 2.

    Examples
    --------
    >>> whole = sen.tissue_burden(burden)
    >>> crude = whole.groupby("treatment")["fraction_crude"].mean()
    >>> bool(crude["irradiated"] > crude["control"] + 0.1)
    True
    """
    table = plain(burden.reset_index(drop=True)).copy()
    for name in _HEAD:
        if name not in table:
            table[name] = np.nan if name in (k.DOSE, k.DAYS) else ""
    table = table[table[k.COMPARTMENT].astype(str) != k.UNASSIGNED]
    table[["region", "assay", "organism"]] = table[["region", "assay", "organism"]].fillna("")
    alike = ["assay", "organism"]
    controls = table[(table[k.TREATMENT] == control) & table["share"].notna()]
    mean = controls.groupby([*alike, k.COMPARTMENT], observed=True)["share"].mean()
    mean = mean[mean >= _RARE]
    weights = mean / mean.groupby(level=alike, observed=True).transform("sum")
    rows: list[dict[str, Any]] = []
    for _, group in table.groupby([k.SAMPLE, "region"], sort=True, observed=True):
        first = group.iloc[0]
        key = (first["assay"], first["organism"])
        known = key in set(zip(*(weights.index.get_level_values(n) for n in alike), strict=True))
        weights_of_controls = weights.loc[key] if known else pd.Series(dtype=float)
        rows.append(
            {name: first[name] for name in _HEAD} | _standardised(group, weights_of_controls)
        )
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _standardised(group: pd.DataFrame, weights: pd.Series) -> dict[str, Any]:
    n = int(group["n_assessable"].sum())
    counted = "n_called" if "n_called" in group else "n_positive"
    row: dict[str, Any] = {
        "n_assessable": n,
        "fraction_crude": float(group[counted].sum()) / n if n else np.nan,
        "weights": ", ".join(f"{name} {value:.3f}" for name, value in weights.items()),
    }
    if group["status"].eq("profile").any():
        return row | {
            "fraction_crude": np.nan,
            "status": k.NOT_ESTIMABLE,
            "note": "one profile of a whole sample: no fraction",
        }
    if weights.empty:
        return row | {"status": "no_control", "note": "no control sample gives the weights"}
    usable = group.set_index(k.COMPARTMENT)
    usable = usable[usable["fraction"].notna() & usable["control_fraction"].notna()]
    weights_here = weights[weights.index.isin(usable.index)]
    covered = float(weights_here.sum())
    row["weight_covered"] = covered
    absent = ", ".join(map(str, weights.index[~weights.index.isin(usable.index) & (weights > 0)]))
    if covered < _ENOUGH:
        note = f"no fraction of {absent}: {covered:.0%} of the weights, {_ENOUGH:.0%} are needed"
        return row | {"status": k.NOT_ESTIMABLE, "note": note}
    share = weights_here / covered
    value = float((share * usable["fraction"]).reindex(weights_here.index).sum())
    base = float((share * usable["control_fraction"]).reindex(weights_here.index).sum())
    whole = covered >= _ALL
    return row | {
        "fraction_standardised": value,
        "control_standardised": base,
        "excess_standardised": value - base,
        "status": "ok" if whole else "partial",
        "note": "" if whole else f"no fraction of {absent}: the other weights were scaled up",
    }
