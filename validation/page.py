"""The words and tables of docs/validation.md, from the results."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import stats
from study import ALPHA, FDR, METHODS, PUBLISHED, pooled, summarise

import senoscore

if TYPE_CHECKING:
    from collections.abc import Mapping

    from study import Size


_SHARES = {"called", "rule", "senescent", "auroc", "right", "escaped", "found", "wrong"}


def percent(value: float, digits: int = 1) -> str:
    return "–" if not np.isfinite(value) else f"{100 * value:.{digits}f} %"


def _ci(row: Any, name: str, form: Any = percent) -> str:
    low, high = row[f"{name}_lo"], row[f"{name}_hi"]
    if name in _SHARES:  # a t interval knows no bounds
        low, high = np.clip((low, high), 0, 1)
    middle = form(row[name])
    if not np.isfinite(low) or low == high:  # runs that do not differ give no interval
        return middle
    return f"{middle} ({form(low)} to {form(high)})"


def _any(runs: pd.Series) -> str:
    """In how many runs, with the 95 % interval of the chance (Clopper-Pearson)."""
    k, n = int((runs > 0).sum()), len(runs)
    low, high = stats.beta.ppf([0.025, 0.975], [k, k + 1], [n - k + 1, n - k])
    low, high = (0.0 if k == 0 else low), (1.0 if k == n else high)
    return f"{k} of {n} ({percent(low, 0)} to {percent(high, 0)})"


def _two(value: float) -> str:
    return "–" if not np.isfinite(value) else f"{value:.2f}"


def table(header: list[str], rows: list[list[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def _null(found: Mapping[str, pd.DataFrame]) -> str:
    parts = [found[n] for n in ("null_simulated", "null_control_splits")]
    rows = pd.concat([p for p in parts if len(p)])
    rows = rows[rows["compartment"] == "all"]
    columns = ["called", "rule", "rule_control", "escaped"]
    means = summarise(rows, ["what"], columns)
    header = ["nothing is senescent", "runs", "called senescent", "runs with any call (95 % CI)",
              "rule holds", "rule holds in controls", "called escaped"]  # fmt: skip
    lines = [
        [r["what"], r["n"], _ci(r, "called", lambda v: percent(v, 2)),
         _any(rows.loc[rows["what"] == r["what"], "any_called"]),
         _ci(r, "rule"), percent(r["rule_control"]), _ci(r, "escaped")]
        for _, r in means.iterrows()
    ]  # fmt: skip
    real = found["null_real_splits"]
    if len(real):
        real = real[real["compartment"] == "all"]
        for what, part in real.groupby("what", sort=False):
            lines.append(
                [what, f"{len(part)} splits of the same cells", _range(part["called"], 2),
                 f"{int(part['any_called'].sum())} of {len(part)}", _range(part["rule"]),
                 percent(part["rule_control"].mean()), _range(part["escaped"])]
            )  # fmt: skip
    return table(header, lines)


def _range(values: pd.Series, digits: int = 1) -> str:
    """Mean over splits with their range; splits of the same cells are not independent."""
    low, high = values.min(), values.max()
    return f"{percent(values.mean(), digits)} [{percent(low, digits)} to {percent(high, digits)}]"


def _wrong(part: pd.DataFrame) -> str:
    by_seed = part.groupby("seed")[["n_called", "n_wrong"]].sum()
    ratio, low, high = pooled(by_seed["n_wrong"], by_seed["n_called"])
    if not np.isfinite(ratio):
        return "– (no call)"
    return percent(ratio, 0) + (
        f" ({percent(low, 0)} to {percent(high, 0)})" if np.isfinite(low) else " (one run)"
    )


def _burden(rows: pd.DataFrame) -> str:
    mean = rows.groupby(["what", "planted", "seed"])[["true", "excess", "called"]].mean()
    means = summarise(mean.reset_index(), ["what", "planted"], ["true", "excess", "called"])
    lines = []
    for _, r in means.iterrows():
        part = rows[(rows["what"] == r["what"]) & (rows["planted"] == r["planted"])]
        by_seed = part.groupby("seed")[["n_called", "n_wrong"]].sum()
        lines.append(
            [r["what"], percent(r["true"]), _ci(r, "excess"),
             _two(r["excess"] / r["true"]) if r["true"] >= 0.04 else "–", _ci(r, "called"),
             _any(by_seed["n_called"]),
             f"{by_seed['n_wrong'].sum()} of {by_seed['n_called'].sum()}", _wrong(part)]
        )  # fmt: skip
    return table(
        ["programme", "true share", "excess (95 % CI)", "excess / true", "called",
         "runs with any call (95 % CI)", "wrong calls, all runs", "share wrong (95 % CI)"],
        lines,
    )  # fmt: skip


def _compartments(rows: pd.DataFrame) -> str:
    rows = rows[rows["planted"] == 0.2]
    means = summarise(rows, ["what", "compartment"], ["true", "excess", "called", "auroc"])
    return table(
        ["programme", "compartment", "true share", "excess (95 % CI)", "excess / true",
         "AUROC of the index"],
        [[r["what"], r["compartment"], percent(r["true"]), _ci(r, "excess"),
          _two(r["excess"] / r["true"]) if r["true"] >= 0.04 else "–", _ci(r, "auroc", _two)]
         for _, r in means.iterrows()],
    )  # fmt: skip


def _ranking(rows: pd.DataFrame) -> str:
    by_seed = rows[rows["depth"] == 4000].groupby(["what", "score", "seed"])[["auroc", "auprc"]]
    means = summarise(by_seed.mean().reset_index(), ["what", "score"], ["auroc", "auprc"])
    wide = means.set_index(["score", "what"])
    whats = list(dict.fromkeys(means["what"]))
    order = wide.xs(whats[-1], level="what")["auroc"].sort_values(ascending=False).index
    return table(
        ["score", *(f"AUROC, {w}" for w in whats), *(f"AUPRC, {w}" for w in whats)],
        [[s, *(_ci(wide.loc[(s, w)], "auroc", _two) for w in whats),
          *(_two(wide.loc[(s, w), "auprc"]) for w in whats)] for s in order],
    )  # fmt: skip


def _cuts(rows: pd.DataFrame) -> str:
    by_seed = rows.groupby(["score", "cut", "planted", "seed"])[["called", "found"]]
    means = summarise(by_seed.mean().reset_index(), ["score", "cut", "planted"],
                      ["called", "found"])  # fmt: skip
    wide = means.set_index(["score", "cut", "planted"])
    keys = list(dict.fromkeys(zip(means["score"], means["cut"], strict=True)))
    keys.sort(key=lambda key: wide.loc[(*key, 0.0), "called"])
    planted = rows[rows["planted"] > 0]
    return table(
        ["score", "cut", "called, nothing planted", "called, 20 % planted",
         "share wrong of those, all runs (95 % CI)", "senescent cells found"],
        [[s, c, _ci(wide.loc[(s, c, 0.0)], "called"), percent(wide.loc[(s, c, 0.2), "called"]),
          _wrong(planted[(planted["score"] == s) & (planted["cut"] == c)]),
          percent(wide.loc[(s, c, 0.2), "found"], 0)] for s, c in keys],
    )  # fmt: skip


def _states(rows: pd.DataFrame) -> str:
    columns = ["rule", "senescent", "acute", "quiescent", "cycling", "escaped"]
    means = summarise(rows, ["what", "true_state"], columns)
    return table(
        ["when", "true state", "rule holds", "called senescent (95 % CI)", "acute damage",
         "quiescent", "cycling", "escaped"],
        [[r["what"], r["true_state"], percent(r["rule"]), _ci(r, "senescent"),
          *(percent(r[c]) for c in columns[2:])] for _, r in means.iterrows()],
    )  # fmt: skip


def _nuisance(found: Mapping[str, pd.DataFrame]) -> str:
    rho = summarise(found["correlations"], ["compartment"], ["rho_n_counts", "rho_n_genes"])
    first = table(
        ["control cells of", "rho(index, counts) (95 % CI)", "rho(index, genes)"],
        [[r["compartment"], _ci(r, "rho_n_counts", _two), _ci(r, "rho_n_genes", _two)]
         for _, r in rho.iterrows()],
    )  # fmt: skip
    out = found["leave_one_out"].rename(columns={"without": "what"})
    lost = pd.concat([found["gene_loss"], out.assign(what="without " + out["what"])])
    means = summarise(lost, ["what"], ["rho_index", "same_state", "kappa_rule"])
    second = table(
        ["against the full call", "rho of the index", "same state", "kappa of the rule"],
        [[r["what"], _ci(r, "rho_index", _two), percent(r["same_state"]), _two(r["kappa_rule"])]
         for _, r in means.iterrows()],
    )  # fmt: skip
    thin = summarise(found["depth_shift"], ["kept"], ["excess", "called", "flagged"])
    third = table(
        ["counts of irradiated cells", "excess over control, nothing senescent (95 % CI)",
         "called senescent", "cells in samples flagged for depth"],
        [[f"{r['kept']:g} of the controls'", _ci(r, "excess"), percent(r["called"], 2),
          percent(r["flagged"], 0)] for _, r in thin.iterrows()],
    )  # fmt: skip
    aim = "The aim is an excess below 3 points, or a flag that keeps the sample's cells candidates."
    return f"{first}\n\n{second}\n\n{third}\n\n{aim}"


def _assignment(found: Mapping[str, pd.DataFrame]) -> str:
    shares = ["right", "wrong", "pure", "unknown_rejected"]
    means = summarise(found["assignment"], ["counts", "compartment"], shares)
    first = table(
        ["counts a cell", "compartment", "right (95 % CI)", "wrong", "rest: rejected",
         "right among those named so", "rejected without its own markers"],
        [[f"{r['counts']:,.0f}", r["compartment"], _ci(r, "right"), percent(r["wrong"]),
          percent(1 - r["right"] - r["wrong"]), percent(r["pure"]), percent(r["unknown_rejected"])]
         for _, r in means.iterrows()],
    )  # fmt: skip
    halves = found["split_half"]
    if halves.empty:
        return f"{first}\n\n(The real cells are not on this machine.)"
    real = halves.groupby("what").mean(numeric_only=True).reset_index()
    second = table(
        ["real cells", "n", "named by all markers", "named by both halves", "of those, alike"],
        [[r["what"], int(r["n"]), percent(r["assigned"]), percent(r["both"]), percent(r["agree"])]
         for _, r in real.iterrows()],
    )  # fmt: skip
    return f"{first}\n\n{second}"


def _real(found: Mapping[str, pd.DataFrame], folder: str) -> str:
    fibroblasts, lymphoma, molt4 = (found[n] for n in ("fibroblasts", "lymphoma", "molt4"))
    if not len(fibroblasts):
        return "The matrices are not part of the project, and were not there when this was made."
    wanted = [f"wmean:{s}" for s in PUBLISHED] + [
        "senescence_index", "z:arrest_p53", "z:arrest_p21", "z:proliferation", "z:nuclear_loss",
        "z:sasp", "z:lysosome",
    ]  # fmt: skip
    known = fibroblasts.set_index("score").reindex(wanted).sort_values("auroc", ascending=False)
    first = table(
        ["score", "AUROC (bootstrap 95 % over samples)"],
        [[s.replace("wmean:", "").replace("z:", "axis "),
          _ci(r, "auroc", _two) if np.isfinite(r["auroc"]) else "gate failed"]
         for s, r in known.iterrows()],
    )  # fmt: skip
    second = table(
        ["after irradiation", "score", "irradiated minus control", "groups apart"],
        [[r["time"], r["score"], f"{r['difference']:+.3f}",
          "yes" if r["lowest_treated"] > r["highest_control"] else "no"]
         for _, r in lymphoma.iterrows()],
    )  # fmt: skip
    third = table(
        ["dose, Gy", "hours", "n", "p53 targets", "called acute", "senescent or candidate"],
        [[f"{r['dose']:g}", f"{r['hours']:g}", int(r["n"]), _two(r["p53"]), percent(r["acute"], 0),
          percent(r["senescent"], 0)] for _, r in molt4.iterrows()],
    )  # fmt: skip
    mixed = found["permuted"]
    fourth = table(
        ["set, labels dealt anew", "deals", "controls", "samples assessed", "senescent",
         "senescent or candidate: mean [range]"],
        [[name, len(part), part["n_control"].iloc[0], percent(part["assessed"].mean(), 0),
          percent(part["called"].mean(), 1), _range(part["candidate"])]
         for name, part in mixed.groupby("set", sort=False)],
    )  # fmt: skip
    return (
        "**Replicatively senescent against proliferating fibroblasts** (GSE63577, 18 and 21 bulk "
        "libraries of five strains, normalised; libraries of a strain are not independent, so the "
        f"intervals are too narrow).\n\n{first}\n\n![AUROC on GSE63577]({folder}/fibroblasts.svg)"
        "\n\n**Irradiated lymphoma** (GSE281695, mouse bulk, 2 against 2 at each time: directions "
        "only). The labels of the first day look inconsistent with a p53 response; they are used "
        f"as they are.\n\n{second}\n\n**An acute p53 response that is not senescence** (MOLT4 T "
        f"cells, array).\n\n{third}\n\n**Labels dealt anew.** Control and treated labels of each "
        "bulk set permuted over its samples (deals of the same samples are not independent). Of "
        "the single cells the splits in the first table are that.\n\n"
        f"{fourth}"
    )


def _own(rows: pd.DataFrame) -> str:
    if rows.empty:
        return "None is named in `validation/sets.yaml`."
    parts = []
    for name, part in rows.groupby("set", sort=False):
        one = part.iloc[0]
        best = part.dropna(subset=["auroc"]).sort_values("auroc", ascending=False)
        facts = table(
            ["label", "rule holds", "called senescent"],
            [[what, percent(one[f"rule_{what}"]), percent(one[f"called_{what}"])]
             for what in ("positive", "negative")],
        )  # fmt: skip
        scores = table(
            ["score", "AUROC (bootstrap 95 % over cells)"],
            [[r["score"], _ci(r, "auroc", _two)] for _, r in best.iterrows()],
        )  # fmt: skip
        parts.append(
            f"**{name}** ({percent(one['assessed'])} of cells assessed)\n\n{facts}\n\n{scores}"
        )
    return "\n\n".join(parts)


def _alone(rows: pd.DataFrame) -> str:
    means = summarise(rows.assign(what="all"), ["what"], ["found", "wrong"]).iloc[0]
    return (
        "Irradiated animals alone, at day 28 of the simulated tissue (z against matched gene sets, "
        f"cut 3): {_ci(means, 'found')} of the senescent cells and {_ci(means, 'wrong')} of the "
        "others become `senescent_candidate`, and none is called senescent: specific, and nearly "
        "blind."
    )


def _recovery(rows: pd.DataFrame) -> str:
    """What EVIDENCE asks of the excess, and what it is, from 5 % planted on."""
    rows = rows[rows["planted"].isin((0.05, 0.1, 0.2))]
    mean = rows.groupby("what", sort=False)[["excess", "true"]].mean()
    words = [f"{what} {r['excess'] / r['true']:.2f}" for what, r in mean.iterrows()]
    return (
        "The aim for the excess was 0.4 to 1.05 of the planted share. From 5 to 20 % planted it "
        f"is: {', '.join(words)}; "
        + ("the aim is met for both."
           if (mean["excess"] / mean["true"]).between(0.4, 1.05).all()
           else "**the aim is not met for every programme.**")
    )  # fmt: skip


def text(found: Mapping[str, pd.DataFrame], size: Size, folder: str, learnt: str) -> str:
    """The whole page."""
    runs = f"{size.seeds} seeds, {size.cells_per_sample} cells an animal"
    return f"""# Does the call work?

Made by `make validate` (`validation/run.py`) with senoscore {senoscore.__version__}; edit
`validation/page.py` and `validation/learnt_page.py`, not this page. The learnt call decides where a
programme can be learnt, the panel elsewhere. What the shares do in contrasts stands in
[statistics.md](statistics.md) (`validation/quiet_compartment.py`). True compartments and good cells
are given, so that the call alone is judged.

{learnt}
## The panel

What `engine="panel"` calls. Simulated tissue: four sham and four irradiated animals, {runs};
intervals are over seeds (t, 95 %). Calibration at {percent(ALPHA, 0)} of left-out control cells,
calls at FDR {FDR:g}. No number of the panel was tuned on the seeds or sets below.

**Two programmes.** The tissue of `senoscore simulate` moves, in part, genes that the panel reads:
recovery there is optimistic. The *random programme* draws, anew in every replicate, 35 % of the
union of 15 published senescence lists and of cell-cycle genes, with random sizes, plus genes of no
list (`validation/spike.py`); single markers stay silent two times in three. It favours no single
list, but is no foreign programme either: five of the 15 lists are signatures of the panel.

### Nothing is senescent

{_null(found)}

An empty call is a possible answer, and the usual one. In brackets: the range over random splits of
the same cells, which are not independent; no interval is given. `escaped` has no false discovery
rate: what it finds here it finds by chance, and it is exploratory.

**Without controls.** {_alone(found["no_controls"])}

### How much of it is found

![Estimated against true share]({folder}/burden.svg)

{_burden(found["burdens"])}

The excess over the controls is a lower bound: with a cut at {percent(ALPHA, 0)} of control cells,
weakly changed cells stay below it. {_recovery(found["burdens"])}

The called share is lower still: the false discovery rate is one over all irradiated cells of a run
(docs/call.md), so that few or weakly senescent cells give no call at all. *Share wrong* pools the
calls of all runs, so that a run without calls counts for nothing; its interval is over seeds
(jackknife). By compartment, 20 % planted (the tissue's own programme plants shares that differ
between compartments):

{_compartments(found["burdens"])}

### Ranking cells, against single markers and published sets

AUROC and average precision within the irradiated cells of a compartment, 4,000 counts a cell,
mean over compartments (95 % CI over seeds). Methods: {", ".join(METHODS)}.

![AUROC by depth]({folder}/ranking.svg)

{_ranking(found["depths"])}

![ROC, precision over recall, and wrong calls against the stated FDR]({folder}/curves.svg)

A fifth planted, 4,000 counts. Right: share of wrong calls of all runs by the FDR at which they are
made, with its 95 % interval over seeds; on the line, the stated rate is kept.

### Cutting a score, and calling

What is called when a single score is cut in the usual ways, random programme:

![Called with and without senescence]({folder}/cuts.svg)

{_cuts(found["cuts"])}

### Cells that look senescent and are not

![What each state is called]({folder}/states.svg)

{_states(found["states"])}

Before day 7 nothing can be called senescent; RNA alone does not tell quiescence from senescence
reliably, and few quiescent cells are named so. Acute damage and escape have no false discovery
rate: the rows of resting cells are their rates by chance, and `calibration_rates.tsv` has those of
each control sample.

### What the call must not depend on

{_nuisance(found)}

### Compartments from markers

Simulated cells, whose marker genes are those of the shipped table: the numbers show what depth
does, not how good the genes are. The last column leaves out the markers of the compartment itself:
such cells have no right answer and should be rejected.

{_assignment(found)}

Without labels, real cells show only whether two halves of the markers name the same compartment
(with half the markers far fewer cells are named). Many cells of this glioblastoma, all of them
presumably malignant, are rejected: for tumours name a column of labels.

### Real data

{_real(found, folder)}

### Labelled single cells of your own

{_own(found["own_sets"])}

### Not done

SenePy, DeepScence, SenCID and hUSI were not run: they need environments of their own (see their
dependencies), and no labelled single-cell set of irradiated tissue was at hand. A labelled .h5ad
is added by one line in `validation/sets.yaml`: it is calibrated on its negatives, called, and
printed above.
"""
