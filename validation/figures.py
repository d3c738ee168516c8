"""Figures of docs/validation.md."""

from __future__ import annotations

from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import numpy as np
from study import pooled, summarise

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd
    from matplotlib.axes import Axes

INK = "#22333b"
COLOURS = ("#0b6e8e", "#c8553d", "#7b8f3a", "#8a5aa3", "#b08900", "#5c6b73")
plt.rcParams.update(
    {
        "svg.hashsalt": "senoscore",
        "font.size": 9,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.edgecolor": INK,
        "text.color": INK,
        "axes.labelcolor": INK,
        "legend.frameon": False,
    }
)


def _save(figure: plt.Figure, path: Path) -> None:
    figure.savefig(path.with_suffix(".svg"), metadata={"Date": None}, bbox_inches="tight")
    figure.savefig(path.with_suffix(".png"), dpi=130, bbox_inches="tight")
    plt.close(figure)


def _line(ax: Axes, table: pd.DataFrame, x: str, y: str, label: str, colour: str) -> None:
    ax.plot(table[x], table[y], "o-", ms=3.5, lw=1.4, color=colour, label=label)
    ax.fill_between(table[x], table[f"{y}_lo"], table[f"{y}_hi"], color=colour, alpha=0.15, lw=0)


def burden(rows: pd.DataFrame, path: Path) -> None:
    """Estimated against planted share."""
    figure, axes = plt.subplots(1, 2, figsize=(7.6, 3.3), sharey=True, layout="constrained")
    for ax, (what, part) in zip(axes, rows.groupby("what", sort=False), strict=True):
        by_seed = (
            part.groupby(["planted", "seed"])[["true", "excess", "called"]].mean().reset_index()
        )
        table = summarise(by_seed, ["planted"], ["true", "excess", "called"])
        top = table["true"].max()
        ax.plot([0, top], [0, top], color="#9aa5ab", lw=1, label="all of it")
        _line(ax, table, "true", "excess", "excess over control", COLOURS[0])
        _line(ax, table, "true", "called", "called at FDR 0.1", COLOURS[1])
        ax.set_title(what, fontsize=9, loc="left")
        ax.set_xlabel("true senescent share of irradiated cells")
    axes[0].set_ylabel("estimated share")
    axes[0].legend(loc="upper left")
    _save(figure, path)


def ranking(rows: pd.DataFrame, path: Path) -> None:
    """AUROC by depth: the index and the best of each kind of comparator."""
    shown = {
        "index": "senescence index",
        "score_genes:senmayo": "SenMayo, score_genes",
        "ucell:senmayo": "SenMayo, UCell",
        "ucell:casella_core": "Casella core, UCell",
        "ucell:corescence": "CoreScence, UCell",
        "marker:CDKN1A": "CDKN1A alone",
    }
    figure, axes = plt.subplots(1, 2, figsize=(7.6, 3.4), sharey=True, layout="constrained")
    for ax, (what, part) in zip(axes, rows.groupby("what", sort=False), strict=True):
        for colour, (score, label) in zip(COLOURS, shown.items(), strict=True):
            own = part[part["score"] == score]
            by_seed = own.groupby(["depth", "seed"])["auroc"].mean().reset_index()
            _line(ax, summarise(by_seed, ["depth"], ["auroc"]), "depth", "auroc", label, colour)
        ax.set_xscale("log")
        ax.set_xticks([500, 1000, 2000, 4000, 10_000], ["500", "1k", "2k", "4k", "10k"])
        ax.minorticks_off()
        ax.axhline(0.5, color="#9aa5ab", lw=1)
        ax.set_title(what, fontsize=9, loc="left")
        ax.set_xlabel("median counts a cell")
    axes[0].set_ylabel("AUROC in irradiated cells of a compartment")
    axes[1].legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    _save(figure, path)


def curves(rows: pd.DataFrame, path: Path) -> None:
    """ROC and precision over recall, a fifth planted, and wrong calls against the stated FDR."""
    shown = {
        "senescence_index": "senescence index",
        "score_genes:senmayo": "SenMayo, score_genes",
        "ucell:senmayo": "SenMayo, UCell",
        "marker:CDKN1A": "CDKN1A alone",
    }
    names = {
        "roc": ("false positive rate", "true positive rate"),
        "pr": ("recall", "precision"),
        "fdr": ("stated false discovery rate", "share of calls that are wrong"),
    }
    whats = list(dict.fromkeys(rows["what"]))
    figure, axes = plt.subplots(len(whats), 3, figsize=(9.2, 5.6), layout="constrained")
    for line, what in zip(axes, whats, strict=True):
        for ax, (curve, (x, y)) in zip(line, names.items(), strict=True):
            own = rows[(rows["what"] == what) & (rows["curve"] == curve)]
            if curve == "fdr":
                by = own.groupby("x")
                made = [pooled(part["n_wrong"], part["n_called"]) for _, part in by]
                middle, low, high = np.array(made).T
                at = np.array([key for key, _ in by])
                ax.errorbar(
                    at, middle, np.nan_to_num([middle - low, high - middle]), fmt="o-", ms=3.5,
                    lw=1.4, color=COLOURS[1], elinewidth=1,
                )  # fmt: skip
                ax.plot([0, 0.5], [0, 0.5], color="#9aa5ab", lw=1)
                ax.set_ylim(0, 1)
            else:
                for colour, (score, label) in zip(COLOURS, shown.items(), strict=False):
                    mean = own[own["score"] == score].groupby("x")["y"].mean()
                    ax.plot(mean.index, mean, lw=1.4, color=colour, label=label)
                ax.set_ylim(0, 1.01)
            ax.set_xlabel(x)
            ax.set_ylabel(y)
        line[0].set_title(what, fontsize=9, loc="left")
    axes[0, 0].legend(loc="lower right", fontsize=7.5)
    _save(figure, path)


def cuts(rows: pd.DataFrame, path: Path) -> None:
    """What usual cuts call where nothing is senescent, and where a fifth is."""
    table = rows.pivot_table("called", index=["score", "cut"], columns="planted", aggfunc="mean")
    table = table.sort_values(0.0)
    labels = [f"{score.replace(':', ' ')}, {cut}" for score, cut in table.index]
    y = np.arange(len(table))
    figure, ax = plt.subplots(figsize=(7.2, 0.26 * len(table) + 1.0), layout="constrained")
    ax.axvline(0.2, color="#9aa5ab", lw=1)
    ax.text(0.2, len(table) - 0.4, "planted", color="#5b666d", ha="center", va="bottom", fontsize=8)
    ax.hlines(y, table[0.0], table[0.2], color="#c4ccd0", lw=1.4)
    ax.plot(table[0.0], y, "o", color=COLOURS[1], label="nothing planted")
    ax.plot(table[0.2], y, "o", color=COLOURS[0], label="20 % planted")
    ax.set_yticks(y, labels)
    ax.set_xlabel("share of irradiated cells called senescent")
    ax.legend(loc="lower right")
    _save(figure, path)


def states(rows: pd.DataFrame, path: Path) -> None:
    """What each true state is called, by day."""
    order = ["senescent", "acute", "activated", "quiescent", "cycling", "resting"]
    groups = list(dict.fromkeys(rows["what"]))
    named = {"senescent": COLOURS[1], "acute": COLOURS[4], "quiescent": COLOURS[3],
             "cycling": COLOURS[2], "escaped": COLOURS[0]}  # fmt: skip
    figure, axes = plt.subplots(
        1, len(groups), figsize=(2.3 * len(groups) + 1.6, 2.8), sharey=True, layout="constrained"
    )
    for ax, what in zip(axes, groups, strict=True):
        mean = rows[rows["what"] == what].groupby("true_state")[list(named)].mean()
        mean = mean.reindex([s for s in order if s in mean.index][::-1])
        left = np.zeros(len(mean))
        for state, colour in named.items():
            ax.barh(mean.index, mean[state], left=left, color=colour, height=0.7,
                    label=state.replace("acute", "acute damage"))  # fmt: skip
            left += mean[state].to_numpy()
        ax.set_xlim(0, 1)
        ax.set_title(what, fontsize=9, loc="left")
        ax.set_xlabel("share called")
    axes[0].set_ylabel("true state")
    axes[-1].legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    _save(figure, path)


def fibroblasts(rows: pd.DataFrame, path: Path) -> None:
    """AUROC of axes, published sets and index on GSE63577."""
    known = rows.dropna(subset=["auroc"])
    known = known[~known["score"].str.endswith(("_up", "_down"))].sort_values("auroc")
    y = np.arange(len(known))
    figure, ax = plt.subplots(figsize=(6.4, 0.19 * len(known) + 0.9), layout="constrained")
    is_index = (known["score"] == "senescence_index").to_numpy()
    ax.hlines(y, known["auroc_lo"], known["auroc_hi"], color="#9aa5ab", lw=1.4)
    ax.scatter(known["auroc"], y, c=np.where(is_index, COLOURS[1], COLOURS[0]), s=16, zorder=3)
    ax.axvline(0.5, color="#9aa5ab", lw=1)
    labels = (
        known["score"]
        .str.replace("wmean:", "", regex=False)
        .str.replace("z:", "axis ", regex=False)
    )
    ax.set_yticks(y, labels, fontsize=7.5)
    ax.set_xlim(0, 1.01)
    ax.set_xlabel("AUROC, senescent against proliferating fibroblasts (bulk)")
    _save(figure, path)
