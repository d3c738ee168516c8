"""How often questions of arms and regions err, and how often their intervals cover.

Null and other studies with known truth; beta-binomial cells between animals, compared as arcsine.
Studies of arms are answered all at once by the formulas of the contrasts, and the first of every
line by ``senoscore.arms`` too, which must agree; studies of regions are columns of one table.

    python validation/simulate_questions.py [arms] [regions] [equivalence] [families] [gates]
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import stats

from senoscore import names as k
from senoscore.questions import arms, regions, tost, welch

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

SEED = 20261129
CELLS = 200
ARMS = {
    "control": {"treatment": "control", "drug": ""},
    "control_drug": {"treatment": "control", "drug": "x"},
    "rt": {"treatment": "irradiated", "drug": ""},
    "rt_drug": {"treatment": "irradiated", "drug": "x"},
    "flash": {"treatment": "irradiated", "drug": "", "modality": "flash"},
}
_CHECKED = 10
"""Studies of a line that are answered by ``senoscore.arms`` too."""
_STILL = 1e-20
"""Sum of squares of samples that do not vary."""
STILL = 1e-9
"""Share in unirradiated arms of which no cell is called: they do not vary."""
NULL = {"control": 0.05, "control_drug": 0.05, "rt": 0.3, "rt_drug": 0.3, "flash": 0.3}
LOWER = NULL | {"rt_drug": 0.15}
REGIONS = {"core": 10.0, "margin": 5.0, "contralateral": 0.5}


def cells(
    rng: np.random.Generator, share: NDArray[np.float64] | float, rho: float, shape: tuple[int, ...]
) -> NDArray[np.float64]:
    """Fractions of CELLS cells, beta-binomial between animals."""
    mean = np.broadcast_to(share, shape)
    size = (1 - rho) / rho
    return rng.binomial(CELLS, rng.beta(mean * size, (1 - mean) * size)) / CELLS


def expected(share: float, rho: float) -> float:
    """Mean of the arcsine of a fraction: what a contrast of arms is of."""
    n = np.arange(CELLS + 1)
    size = (1 - rho) / rho
    weights = stats.betabinom.pmf(n, CELLS, share * size, (1 - share) * size)
    return float(weights @ np.arcsin(np.sqrt(n / CELLS)))


def burden(rows: list[dict[str, Any]], values: NDArray[np.float64]) -> pd.DataFrame:
    """A burden table whose columns are studies; ``values`` has a row a sample."""
    table = pd.DataFrame(rows).assign(
        compartment="tumour", status="ok", n_assessable=CELLS, n_positive=0
    )
    columns = pd.DataFrame(values).add_prefix("mean:study:")
    return pd.concat([table, columns], axis=1)


def fractions(rows: list[dict[str, Any]], values: NDArray[np.float64]) -> pd.DataFrame:
    """A burden table with a compartment a study, so that fractions are counted ones."""
    table = pd.DataFrame(rows).assign(status="ok", n_assessable=CELLS)
    parts = [
        table.assign(compartment=f"c{i:04d}", n_positive=np.rint(own * CELLS))
        for i, own in enumerate(values.T)
    ]
    return pd.concat(parts, ignore_index=True)


def study_of_arms(
    shares: Mapping[str, float], animals: Mapping[str, int], rho: float, studies: int,
    rng: np.random.Generator,
) -> tuple[list[dict[str, Any]], NDArray[np.float64]]:  # fmt: skip
    """Samples and their fractions, shape (samples, studies)."""
    rows, values = [], []
    for name, facts in ARMS.items():
        irradiated = facts["treatment"] == "irradiated"
        for i in range(animals[name]):
            rows.append(
                {k.SAMPLE: f"{name}{i}", k.DAYS: 14.0, k.DOSE: 10.0 * irradiated,
                 "modality": "photon" if irradiated else "", **facts}
            )  # fmt: skip
            values.append(cells(rng, shares[name], rho, (studies,)))
    return rows, np.array(values)


def _sides(
    animals: Mapping[str, int], values: NDArray[np.float64]
) -> dict[str, NDArray[np.float64]]:
    """Arcsines of each arm, shape (animals, studies)."""
    ends = np.cumsum([animals[name] for name in ARMS])
    parts = np.split(np.arcsin(np.sqrt(values)), ends[:-1])
    return dict(zip(ARMS, parts, strict=True))


def contrasts(sides: Mapping[str, NDArray[np.float64]], weights: Mapping[str, int]) -> pd.DataFrame:
    """Estimate, interval and p of one contrast in every study, as docs/statistics.md says.

    Two arms: one variance of both, and never less than that of counting cells. More arms: a
    variance of each, with Satterthwaite's degrees of freedom.
    """
    own = {name: sides[name] for name in weights}
    n = np.array([len(side) for side in own.values()])[:, None]
    estimate = sum(sign * own[name].mean(axis=0) for name, sign in weights.items())
    squares = np.array([((v - v.mean(axis=0)) ** 2).sum(axis=0) for v in own.values()])
    least = 1 / (4 * CELLS * n)
    df: NDArray[np.float64] | float
    if len(own) == 2:
        df = float(n.sum() - 2)
        variance = np.maximum(squares.sum(axis=0) / df * (1 / n).sum(), least.sum())
    else:
        parts = np.maximum(squares / (n - 1) / n, least)
        variance = parts.sum(axis=0)
        df = variance**2 / (parts**2 / (n - 1)).sum(axis=0)
    se = np.where(squares.sum(axis=0) > _STILL, np.sqrt(variance), np.nan)
    half = stats.t.ppf(0.975, df) * se
    return pd.DataFrame(
        {"estimate": estimate, "ci_lo": estimate - half, "ci_hi": estimate + half,
         "p": 2 * stats.t.sf(np.abs(estimate / se), df)}
    )  # fmt: skip


def _agree(own: pd.DataFrame, found: pd.DataFrame) -> None:
    columns = list(own.columns)
    found = found.sort_values("compartment")[columns]
    np.testing.assert_allclose(own, found, rtol=1e-7, atol=1e-10)


def lines_of_arms(studies: int) -> pd.DataFrame:
    """Rates of p < 0.05 where nothing is there, coverage where a drug halves the burden."""
    out = []
    truth = {
        "drug_in_irradiated": {"rt_drug": 1, "rt": -1},
        "drug_in_unirradiated": {"control_drug": 1, "control": -1},
        "radiation_x_drug": {"rt_drug": 1, "rt": -1, "control_drug": -1, "control": 1},
        "modality_or_dose_rate": {"flash": 1, "rt": -1},
    }
    sizes = (3, 4, 5, 6, 8)
    settings = [(dict.fromkeys(ARMS, n), rho, 0.05) for n in sizes for rho in (0.02, 0.05)]
    unequal = {"control": 8, "control_drug": 3, "rt": 8, "rt_drug": 3, "flash": 5}
    settings.append((unequal, 0.05, 0.05))
    settings += [(dict.fromkeys(ARMS, n), 0.05, STILL) for n in (3, 5, 8)]
    for number, (animals, rho, without) in enumerate(settings):
        rng = np.random.default_rng(SEED + number)
        n = sorted(set(animals.values()))
        row: dict[str, Any] = {
            "animals an arm": "-".join(map(str, n)), "rho": rho,
            "without radiation": f"{without:.0%}",
        }  # fmt: skip
        for case, shares in (("null", NULL), ("lower", LOWER)):
            shares = shares | {"control": without, "control_drug": without}
            rows, values = study_of_arms(shares, animals, rho, studies, rng)
            sides = _sides(animals, values)
            found = arms(fractions(rows, values[:, :_CHECKED]), measures=["fraction_senescent"])
            for question, weights in truth.items():
                own = contrasts(sides, weights)
                _agree(own.head(_CHECKED), found[found["question"] == question])
                true = sum(w * expected(shares[name], rho) for name, w in weights.items())
                if case == "null":
                    row[f"{question}: p < 0.05"] = float((own["p"] < 0.05).mean())
                elif question in ("drug_in_irradiated", "radiation_x_drug"):
                    covered = own["ci_lo"].le(true) & own["ci_hi"].ge(true)
                    row[f"{question}: covers"] = float(covered.mean())
                    row[f"{question}: power"] = float((own["p"] < 0.05).mean())
        out.append(row)
    return pd.DataFrame(out)


def names(studies: int) -> list[str]:
    """Measures of all studies."""
    return [f"study:{i}" for i in range(studies)]


def lines_of_regions(studies: int) -> pd.DataFrame:
    """Subjects differ, regions do not (null); and a core with twice the share (coverage)."""
    out = []
    for number, n in enumerate((3, 4, 5, 6, 8)):
        rng = np.random.default_rng(SEED + 100 + number)
        row: dict[str, Any] = {"subjects an arm": n}
        for case, core in (("null", 1.0), ("core", 2.0)):
            rows, values = [], []
            for arm, share in (("control", 0.05), ("irradiated", 0.2)):
                for i in range(n):
                    odds = share / (1 - share) * np.exp(rng.normal(0, 0.5, studies))
                    own = odds / (1 + odds)
                    for region, dose in REGIONS.items():
                        rows.append(
                            {k.SAMPLE: f"{arm}{i}{region}", k.SUBJECT: f"{arm}{i}",
                             k.TREATMENT: arm, "region": region, k.DAYS: 14.0,
                             k.DOSE: dose if arm == "irradiated" else 0.0}
                        )  # fmt: skip
                        raised = region == "core" and arm == "irradiated"
                        there = np.minimum(own * (core if raised else 1.0), 0.95)
                        values.append(cells(rng, there, 0.02, (studies,)))
            found = regions(
                burden(rows, np.arcsin(np.sqrt(np.array(values)))), measures=names(studies)
            )
            pair = found["region"].eq("core") & found["against_region"].eq("contralateral")
            treated = found[k.TREATMENT].eq("irradiated")
            for question, chosen in (
                ("region_pair", pair & treated), ("region_x_treatment", pair & treated),
                ("dose_within_subject", treated),
            ):  # fmt: skip
                own = found[found["question"].eq(question) & chosen]
                rate = float((own["p"] < 0.05).mean())
                if case == "null":
                    row[f"{question}: p < 0.05"] = rate
                else:
                    true = float(own["estimate"].mean())
                    covered = own["ci_lo"].le(true) & own["ci_hi"].ge(true)
                    row[f"{question}: covers"] = float(covered.mean())
                    row[f"{question}: power"] = rate
        out.append(row)
    return pd.DataFrame(out)


def lines_of_equivalence(studies: int) -> pd.DataFrame:
    """How often two one-sided tests claim that a burden stays, at the margin and well inside."""
    out = []
    for number, n in enumerate((3, 5, 8, 12)):
        row: dict[str, Any] = {"animals an arm": n}
        for what, share in (("at the margin", 0.2), ("no difference", 0.3)):
            rng = np.random.default_rng(SEED + 200 + number)
            shares = NULL | {"rt_drug": share}
            rows, values = study_of_arms(shares, dict.fromkeys(ARMS, n), 0.02, studies, rng)
            where = [i for i, r in enumerate(rows) if r["treatment"] == "irradiated"]
            drugged, bare = (
                values[[i for i in where if bool(rows[i]["drug"]) is drug and
                        rows[i]["modality"] == "photon"]]
                for drug in (True, False)
            )  # fmt: skip
            # As efficacy does: plain fractions, no variance pooled (Welch).
            found = [welch(drugged[:, i], bare[:, i], alpha=0.05) for i in range(studies)]
            claimed = [
                tost(r["estimate"], r.get("se", np.nan), r.get("df", np.nan), 0.1) <= 0.05
                for r in found
            ]
            row[f"{what}: claimed"] = float(np.mean(claimed))
        out.append(row)
    return pd.DataFrame(out)


COMPARTMENTS = ((20, 0.15), (40, 0.28), (60, 0.15), (80, 0.15), (100, 0.10), (120, 0.17))
"""Cells of a sample, and the share of them that is arrested after radiation."""
FALLS = {1: 12 / 28, 5: 11 / 17}
"""What a senolytic leaves of it in two compartments, as in ``senoscore simulate``."""
BEYOND = 0.75
"""Share of arrested cells further along the arrest than nine in ten control cells."""


def study_of_a_drug(
    animals: int, falls: Mapping[int, float], spread: Mapping[int, float], studies: int,
    rng: np.random.Generator,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:  # fmt: skip
    """p of two drugs in six compartments against one vehicle; plain, and with moderated variance.

    Shape (drugs, compartments, studies); animals differ by a factor whose logarithm has the SD of
    ``spread`` (else 0.3), as there.
    """

    def arm(where: int, left: float) -> NDArray[np.float64]:
        n, share = COMPARTMENTS[where]
        sd = spread.get(where, 0.3)
        own = share * left * np.exp(rng.normal(-(sd**2) / 2, sd, (animals, studies)))
        seen = rng.binomial(n, np.clip(0.1 + 0.9 * BEYOND * own, 0, 1)) / n
        return np.asarray(np.arcsin(np.sqrt(seen)))

    places = range(len(COMPARTMENTS))
    vehicle = [arm(where, 1.0) for where in places]
    drugs = [[arm(where, left.get(where, 1.0)) for where in places] for left in (falls, {})]
    gap = np.array(
        [[t.mean(0) - v.mean(0) for t, v in zip(d, vehicle, strict=True)] for d in drugs]
    )
    variance = np.array(
        [[(t.var(0, ddof=1) + v.var(0, ddof=1)) / 2 for t, v in zip(d, vehicle, strict=True)]
         for d in drugs]
    )  # fmt: skip
    counted = 1 / (4 * np.array([n for n, _ in COMPARTMENTS]))[None, :, None]
    df = 2.0 * animals - 2
    drawn, more = _moderated(variance, df)
    out = []
    for own, freedom in ((variance, df), (drawn, more)):
        se = np.sqrt(np.maximum(own, counted) * 2 / animals)
        out.append(2 * stats.t.sf(np.abs(gap / se), freedom))
    return out[0], out[1]


def _moderated(
    variance: NDArray[np.float64], df: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Variances drawn to those of the other compartments (Smyth 2004), and their freedom."""
    from scipy.special import digamma, polygamma

    logs = np.log(np.maximum(variance, 1e-8)) - digamma(df / 2) + np.log(df / 2)
    rest = logs.var(axis=1, ddof=1, keepdims=True) - polygamma(1, df / 2)
    y = 0.5 + 1 / np.maximum(rest, 1e-6)
    for _ in range(50):  # inverse of the trigamma function
        tri = polygamma(1, y)
        y += tri * (1 - tri / np.maximum(rest, 1e-6)) / polygamma(2, y)
    prior = np.where(rest > 0, np.minimum(2 * y, 1e6), 1e6)
    level = np.exp(logs.mean(axis=1, keepdims=True) + digamma(prior / 2) - np.log(prior / 2))
    return (prior * level + df * variance) / (prior + df), prior + df


def _held(p: NDArray[np.float64]) -> NDArray[np.bool_]:
    """q <= 0.05 by Benjamini-Hochberg over the first axis."""
    return np.asarray(stats.false_discovery_control(p, axis=0) <= 0.05)


def lines_of_families(studies: int) -> pd.DataFrame:
    """What a senolytic of two compartments needs to be found, by what it is adjusted with."""
    out = []
    cases = (("animals alike", {}), ("one compartment varies twice as much", {1: 0.6}))
    for number, animals in enumerate((3, 5, 8, 12)):
        for spread, sds in cases:
            rng = np.random.default_rng(SEED + 300 + number)
            p, drawn = study_of_a_drug(animals, FALLS, sds, studies, rng)
            null, drawn_null = study_of_a_drug(animals, {}, sds, studies, rng)
            every, of_all = (v.reshape(-1, studies) for v in (p, null))
            out.append(
                {
                    "animals an arm": animals, "spread": spread,
                    "found: unadjusted": (p[0, 1] < 0.05).mean(),
                    "two compartments named": _held(p[0, [1, 5]])[0].mean(),
                    "the drug named": _held(p[0])[1].mean(),
                    "all": _held(every)[1].mean(),
                    "all, moderated": _held(drawn.reshape(-1, studies))[1].mean(),
                    "null: a drug named, any q": _held(null[0]).any(0).mean(),
                    "null: all, any q": _held(of_all).any(0).mean(),
                    "null: p < 0.05, highest compartment": (null[0] < 0.05).mean(-1).max(),
                    "null: moderated, lowest compartment": (drawn_null[0] < 0.05).mean(-1).min(),
                    "null: moderated, highest compartment": (drawn_null[0] < 0.05).mean(-1).max(),
                }
            )  # fmt: skip
    return pd.DataFrame(out)


NAMED = (1, 5, 3, 4, 2)
"""Compartments that a study names beforehand, the one it was made for first."""
SASP = -1.5
"""What a senomorphic takes from the secretory score, in SDs between animals."""
DRUGS: Mapping[str, Mapping[int, float]] = {
    "none": {}, "as simulated": FALLS, "first only": {1: FALLS[1]}, "second only": {5: FALLS[1]},
    "all": dict.fromkeys(range(len(COMPARTMENTS)), FALLS[1]),
}  # fmt: skip
"""What is left of the arrested cells, by drug."""


def _holm(p: NDArray[np.float64], alpha: float = 0.05) -> NDArray[np.bool_]:
    """What Holm's procedure rejects over the first axis."""
    order = np.argsort(p, axis=0)
    sorted_p = np.take_along_axis(p, order, axis=0)
    held = sorted_p <= alpha / np.arange(len(p), 0, -1)[:, None]
    out = np.zeros(p.shape, dtype=bool)
    np.put_along_axis(out, order, np.logical_and.accumulate(held, axis=0), axis=0)
    return out


def procedures(
    named: NDArray[np.float64], every: NDArray[np.float64]
) -> dict[str, NDArray[np.bool_]]:
    """What each procedure rejects of the named compartments, shape (named, studies).

    ``every`` has the p of all drugs and compartments, the named first.
    """
    first = named[:1] <= 0.05
    return {
        "adjusted together": _held(named),
        "first alone, rest with all": np.concatenate([first, _held(every[1:])[: len(named) - 1]]),
        "Holm": _holm(named),
        "gate, then Holm": np.concatenate([first, first & _holm(named[1:])])
        if len(named) > 1 else first,
        "fixed sequence": np.logical_and.accumulate(named <= 0.05, axis=0),
    }  # fmt: skip


def lines_of_gates(studies: int) -> pd.DataFrame:
    """Whether the other named compartments gain by a gate that the first one opens."""
    out = []
    for number, animals in enumerate((5, 8)):
        rng = np.random.default_rng(SEED + 400 + number)
        drawn = {
            drug: study_of_a_drug(animals, falls, {}, studies, rng)[0]
            for drug, falls in DRUGS.items()
        }
        for drug, shift in (("senomorphic, SASP", SASP), ("none, SASP", 0.0)):
            mine, base = rng.normal(size=(2, len(COMPARTMENTS), animals, studies))
            p = stats.ttest_ind(mine + shift, base, axis=1, equal_var=False).pvalue
            other = rng.uniform(size=p.shape)
            drawn[drug] = np.array([p, other])
        for drug, p in drawn.items():
            falls = DRUGS.get(drug, dict.fromkeys(NAMED, 1.0) if "senomorphic" in drug else {})
            for n in (1, 3, 5):
                named = list(NAMED[:n])
                rest = [i for i in range(len(COMPARTMENTS)) if i not in named]
                every = np.concatenate([p[0][named], p[0][rest], p[1]])
                true = np.array([i in falls for i in named])
                for how, held in procedures(p[0][named], every).items():
                    out.append(
                        {
                            "animals an arm": animals, "drug": drug, "named": n, "how": how,
                            "first found": held[0].mean() if true[0] else np.nan,
                            "others found": held[1:][true[1:]].mean() if true[1:].any()
                            else np.nan,
                            "any false": held[~true].any(0).mean() if (~true).any() else np.nan,
                        }
                    )  # fmt: skip
    return pd.DataFrame(out)


TABLES: Mapping[str, Callable[[int], pd.DataFrame]] = {
    "families": lines_of_families, "gates": lines_of_gates,
    "arms": lines_of_arms, "regions": lines_of_regions, "equivalence": lines_of_equivalence,
}  # fmt: skip


def markdown(table: pd.DataFrame) -> str:
    """A table of Markdown; rates with three decimals."""
    shown = [
        [
            f"{v:.3f}" if isinstance(v, float) and name != "rho" else str(v)
            for name, v in row.items()
        ]
        for row in table.to_dict("records")
    ]
    lines = [list(map(str, table.columns)), ["---"] * table.shape[1], *shown]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def main() -> None:
    """Print the tables of docs/statistics.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tables", nargs="*", default=list(TABLES))
    parser.add_argument("--studies", type=int, default=2000)
    given = parser.parse_args()
    for name in given.tables:
        table = TABLES[name](given.studies)
        sys.stdout.write(f"### {name}\n\n{markdown(table)}\n\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
