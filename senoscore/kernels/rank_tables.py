"""From the groups of one cell to the numbers a gene of each group adds to each score."""

from __future__ import annotations

import numpy as np

from senoscore.kernels.compiled import njit

__all__ = [
    "UCELL_NEUTRAL",
    "UCELL_PYUCELL",
    "UCELL_R",
    "fill_tables",
    "finish_scores",
]

UCELL_NEUTRAL = 0
UCELL_PYUCELL = 1
UCELL_R = 2


@njit(cache=True, nogil=True, inline="always")
def _expected_capped(greater, n, cap):  # type: ignore[no-untyped-def]
    """Mean of min(rank, cap) over ranks greater + 1 ... greater + n."""
    below = min(max(cap - greater, 0), n)  # members whose rank is at most the cap
    return (below * greater + 0.5 * below * (below + 1) + float(n - below) * cap) / n


@njit(cache=True, nogil=True, inline="always")
def _expected_lead(greater, n, limit):  # type: ignore[no-untyped-def]
    """Mean of max(limit - rank, 0) over ranks greater + 1 ... greater + n."""
    inside = min(max(limit - greater, 0), n)
    return (inside * (limit - greater) - 0.5 * inside * (inside + 1)) / n


@njit(cache=True, nogil=True)
def _ucell_rank(greater, n, code, n_zero, zero_greater, mode, cap):  # type: ignore[no-untyped-def]
    if mode == UCELL_NEUTRAL:
        return _expected_capped(greater, n, cap)
    if mode == UCELL_R:
        return min(greater + 0.5 * (n + 1), float(cap))
    if code == 0:
        return float(cap)
    # pyucell ranks the stored values only, so zeros above a value do not push it down.
    above = greater - n_zero if greater > zero_greater else greater
    rank = above + 0.5 * (n + 1)
    return rank if rank <= cap else float(cap)


@njit(cache=True, nogil=True)
def fill_tables(  # type: ignore[no-untyped-def]
    group_code, group_n, n_groups, n_genes, column, mode, cap, limit, alpha, table, zero
):
    """Fill the table of contributions, relative to the contribution of a zero.

    Parameters
    ----------
    group_code, group_n, n_groups
        Groups in descending order, zeros among them.
    n_genes
        Genes ranked (all groups together).
    column
        Columns of the table for: capped rank (UCell), lead (AUCell), ascending rank, weight
        and weight times rank (ssGSEA); -1 where not wanted. Shape (5,).
    mode, cap
        UCell: rule for ranks, largest rank.
    limit
        AUCell: rank at which the recovery curve ends.
    alpha
        ssGSEA: exponent of the rank.
    table
        Receives contribution minus that of a zero, row = code of the group, so that only the
        stored genes of a set need to be visited.
    zero
        Receives the contribution of a zero; shape of a row of the table.
    """
    greater = 0
    n_zero = 0
    zero_greater = n_genes
    for i in range(n_groups):
        if group_code[i] == 0:
            n_zero = group_n[i]
            zero_greater = greater
        greater += group_n[i]
    greater = 0
    zero[:] = 0.0
    for i in range(n_groups):
        code = group_code[i]
        n = group_n[i]
        row = table[code]
        if column[0] >= 0:
            row[column[0]] = _ucell_rank(greater, n, code, n_zero, zero_greater, mode, cap)
        if column[1] >= 0:
            row[column[1]] = _expected_lead(greater, n, limit)
        if column[2] >= 0:
            rank = n_genes - greater - 0.5 * (n - 1)
            row[column[2]] = rank
            if column[3] >= 0:
                weight = np.sqrt(np.sqrt(rank)) if alpha == 0.25 else rank**alpha
                row[column[3]] = weight
                row[column[4]] = weight * rank
        greater += n
        if code == 0:
            zero[:] = row
    for i in range(n_groups):
        row = table[group_code[i]]
        for w in range(len(zero)):
            row[w] -= zero[w]


@njit(cache=True, nogil=True)
def finish_scores(  # type: ignore[no-untyped-def]
    sums, zero, column, place, n_genes, set_n, set_listed, cap, max_lead, out
):
    """Turn the sums of one cell over the genes of each set into scores.

    Parameters
    ----------
    sums
        Sum over the genes of each set of the table, shape (n_sets, n_columns).
    zero, column, n_genes, cap
        As in :func:`fill_tables`.
    place
        Row of ``out`` for UCell, AUCell, ssGSEA, singscore; -1 where not wanted. Shape (4,).
    set_n, set_listed
        Genes found of each set, and genes UCell reckons with. Shape (n_sets,).
    max_lead
        AUCell: largest possible sum of leads, shape (n_sets,).
    out
        Receives the scores, shape (n_methods, n_sets); NaN where undefined.
    """
    all_genes = float(n_genes)
    for s in range(len(set_n)):
        n = float(set_n[s])
        if n == 0:
            out[:, s] = np.nan
            continue
        if place[0] >= 0:
            m = float(set_listed[s])
            total = m * zero[column[0]] + sums[s, column[0]]
            inside = min(m, float(cap))
            least = 0.5 * inside * (inside + 1) + (m - inside) * cap
            most = m * cap
            out[place[0], s] = 1.0 - (total - least) / (most - least) if most > least else np.nan
        if place[1] >= 0:
            total = n * zero[column[1]] + sums[s, column[1]]
            out[place[1], s] = total / max_lead[s] if max_lead[s] > 0 else np.nan
        if column[2] < 0:
            continue
        ranks = n * zero[column[2]] + sums[s, column[2]]
        rest = all_genes - n
        if place[2] >= 0:
            weights = n * zero[column[3]] + sums[s, column[3]]
            weighted = n * zero[column[4]] + sums[s, column[4]]
            walk_in = weighted / weights
            walk_out = (0.5 * all_genes * (all_genes + 1) - ranks) / rest if rest > 0 else np.nan
            out[place[2], s] = (walk_in - walk_out) / all_genes
        if place[3] >= 0:
            # Least mean rank (n + 1) / 2, largest (2 N - n + 1) / 2: they lie N - n apart.
            mean = ranks / n
            out[place[3], s] = (mean - 0.5 * (n + 1)) / rest - 0.5 if rest > 0 else np.nan
