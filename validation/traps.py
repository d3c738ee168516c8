"""The learnt call in real cells and in other designs: nobody senescent, and some planted.

Run: ``python validation/traps.py [nulls planted alone designs] [seeds=2,4]``. Nothing is tuned on
these: programmes are those of the report half, seeds even. A seed deals cells into samples, or
draws the tissue. Tables are kept in ``build/validation`` for the page.

- ``nulls``: real cells of which none was made senescent. Control cells split; cells of both arms
  dealt into arms anew; real treatments that are not damage, dealt into samples anew; animals with
  their libraries, in every arrangement of two against two.
- ``planted``: published damage at 60 % of its size in some of the "irradiated" real cells.
- ``alone``: a single animal in an arm, in simulated tissue and in every pair of the real ones.
- ``designs``: simulated tissue of other numbers of animals, cells and counts; programmes that
  differ between compartments; senescent cells among the controls; labels of animals exchanged.
"""

from __future__ import annotations

import sys
from itertools import combinations, permutations
from typing import TYPE_CHECKING, Any

import anndata as ad
import numpy as np
from learned import DECOYS, Data, base, decoy, immune, pbmc, pc9, planted, quiet, tried
from plant import contrasts, effects, plant, thinned
from study import CACHE, REALDATA, Size, keep, seeds_of, tissue, two_arms

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd
    from numpy.typing import NDArray
    from scipy import sparse

    Case = tuple[str, Data, Any]

FACTOR = 0.6
DEEP = 10_000


def damage() -> pd.DataFrame:
    """Published contrasts of DNA damage that nothing was set on."""
    facts = contrasts()
    return facts[~facts["tune"] & (facts["kind"] == "DNA-damage")]


def only(d: Data, keep_these: NDArray[np.bool_]) -> Data:
    """Some of the cells."""
    at = np.flatnonzero(keep_these)
    subject = None if d.subject is None else d.subject[at]
    return Data(
        d.counts[at], d.genes, d.sample[at], d.compartment[at], d.treated[at], d.truth[at], subject
    )


def dealt(d: Data, seed: int, *, arms: bool, n: int = 3) -> Data:
    """Cells dealt into ``n`` samples an arm, and with ``arms`` into arms too."""
    rng = np.random.default_rng(seed)
    treated = rng.random(len(d.treated)) < 0.5 if arms else d.treated
    number = rng.integers(0, n, len(treated))
    names = [f"{'E' if t else 'C'}{i}" for t, i in zip(treated, number, strict=True)]
    return d.but(sample=np.array(names, dtype=object), treated=treated)


def lung() -> Data:
    """Immune cells of the lungs of two healthy and two tumour-bearing mice, 14 libraries."""
    a = ad.read_h5ad(REALDATA / "null_mouse_lung_immune" / "mouse_lung_immune_800.h5ad")
    text = {c: a.obs[c].astype(str).to_numpy(dtype=object) for c in a.obs}
    ill = np.char.startswith(text["Animal"].astype(str), "t")
    where = text["Major.cell.type"]
    return Data(
        a.X, a.var_names.to_numpy(object), text["Library"], where, ill, subject=text["Animal"]
    )


def two_donors() -> Data:
    """PBMC of two donors with and without interferon, cell types as published, 1,267 genes."""
    a = ad.read_h5ad(REALDATA / "null_pbmc_ifnb" / "pbmc_kang_2donors_ctrl_stim_1267genes.h5ad")
    sample, where, group = (
        a.obs[c].astype(str).to_numpy(dtype=object) for c in ("sample_id", "cluster_id", "group_id")
    )
    return Data(a.X, a.var_names.to_numpy(object), sample, where, group == "stim")


def nulls(seed: int) -> Iterator[Case]:
    """Real cells of which none was made senescent."""
    for how in ("all", "types"):
        word = "one compartment" if how == "all" else "cell types"
        d = pbmc(how)
        yield f"PBMC controls split, {word}|", dealt(only(d, ~d.treated), seed, arms=True), None
        yield f"PBMC, both arms mixed, {word}|", dealt(d, seed, arms=True), None
        yield f"PBMC with interferon, {word}|", dealt(d, seed, arms=False), None
    d = pc9()
    yield "PC9 controls split|", dealt(only(d, ~d.treated), seed, arms=True), None
    yield "PC9, both arms mixed|", dealt(d, seed, arms=True), None
    yield "PC9 with erlotinib|", dealt(d, seed, arms=False), None
    yield "immune cells split|", immune(seed), None
    d = lung()
    blind = d.but(subject=None)
    yield "mouse lung, mice with tumours, cells dealt|", dealt(blind, seed, arms=False), None
    yield "mouse lung, all cells mixed|", dealt(blind, seed, arms=True), None
    if seed > 2:  # what follows has no chance in it
        return
    yield "mouse lung, mice with tumours, libraries taken for animals|", blind, None
    animals = sorted(set(d.subject))
    for pair in combinations(animals, 2):
        ill = np.isin(d.subject, pair)
        what = "mice with tumours" if pair == ("t_1", "t_2") else "labels of mice exchanged"
        yield f"mouse lung, two and two, {what}|{pair}", d.but(treated=ill), None
    d = two_donors()
    yield "PBMC of two donors with interferon|", d, None


def in_real_cells(seed: int) -> Iterator[Case]:
    """Published damage in some of the "irradiated" cells of real cells."""
    blood, types = pbmc("all"), pbmc("types")
    cells = {
        "PC9": dealt(pc9(), seed, arms=True),
        "immune cells": immune(seed),
        "PBMC, one compartment": dealt(only(blood, ~blood.treated), seed, arms=True),
        "PBMC, cell types": dealt(only(types, ~types.treated), seed, arms=True),
    }
    for what, d in cells.items():
        for share in (0.2, 0.1):
            for name, f in damage().iterrows():
                new = planted(d, effects()[name], share, seed, factor=FACTOR)
                yield f"{what}, {share:.0%} senescent|{name}", new, f.study


def sized(seed: int, *, n: int = 4, cells: int = 400, counts: int | None = None) -> Data:
    """Tissue of ``n`` animals an arm, ``cells`` a sample, and counts a cell (the usual 4,000)."""
    if counts is None:
        d = base(seed, n=max(n, 4), cells=max(cells, 400))
    else:
        path = CACHE / f"tissue-{seed}-4-400-{DEEP}.h5ad"
        if path.exists():
            a = ad.read_h5ad(path)
        else:
            options = {"burden": 0.0, "acute": 0.0, "median_counts": DEEP}
            a = tissue(seed, Size(1, 400, 1), two_arms(), **options)
            a.uns = {}
            path.parent.mkdir(parents=True, exist_ok=True)
            a.write_h5ad(path)
        text = {c: a.obs[c].astype(str) for c in ("sample", "compartment")}
        ill = a.obs["treatment"] == "irradiated"
        d = Data(a.X, a.var_names.to_numpy(object), text["sample"], text["compartment"], ill)
        if counts < DEEP:
            share = np.full(len(d.treated), counts / DEEP)
            d = d.but(counts=thinned(d.counts, share, np.random.default_rng(seed)))
    rng = np.random.default_rng(seed + 3)
    use = np.zeros(len(d.treated), bool)
    for arm in (True, False):
        for sample in sorted(set(d.sample[d.treated == arm]))[:n]:
            own = np.flatnonzero(d.sample == sample)
            use[rng.permutation(own)[:cells]] = True
    return only(d, use)


def unequal(d: Data, first: str, second: str, seed: int) -> Data:
    """A tenth senescent, by one programme or another in every second compartment."""
    rng = np.random.default_rng(seed + 7)
    chosen = d.treated & (rng.random(len(d.treated)) < 0.1)
    counts: sparse.csr_matrix = d.counts
    rooms = sorted(set(d.compartment))
    for name, own in ((first, rooms[::2]), (second, rooms[1::2])):
        change = effects()[name].reindex(d.genes).fillna(0).to_numpy() * FACTOR
        counts = plant(counts, d.compartment, chosen & np.isin(d.compartment, own), change, rng)
    return d.but(counts=counts, truth=chosen)


def exchanged(d: Data) -> Data:
    """Half of the animals of each arm under the label of the other."""
    arms = [sorted(set(d.sample[d.treated == arm])) for arm in (True, False)]
    moved = [s for names in arms for s in names[: len(names) // 2]]
    return d.but(treated=d.treated ^ np.isin(d.sample, moved))


def designs(seed: int) -> Iterator[Case]:
    """Simulated tissue, a tenth senescent, of other sizes and kinds."""
    facts = damage()
    sizes: dict[str, dict[str, int]] = {
        **{f"{n} animals an arm": {"n": n} for n in (2, 3, 4, 6)},
        **{f"{c:,} cells a sample": {"cells": c} for c in (100, 200, 1000)},
        **{f"{c:,} counts a cell": {"counts": c} for c in (500, 1500, DEEP)},
    }
    for what, size in sizes.items():
        d = sized(seed, **size)
        for name, f in facts.iterrows():
            yield f"{what}|{name}", planted(d, effects()[name], 0.1, seed, factor=FACTOR), f.study
        for trap in ("null", "p53"):
            yield f"{what}, {trap}|", decoy(d, trap, seed), None
    d = base(seed)
    for first, second in combinations(facts.index, 2):
        for pair in ((first, second), (second, first)):
            both = tuple(facts.loc[list(pair), "study"])
            yield (
                f"two programmes in alternate compartments|{pair[0]}",
                unequal(d, *pair, seed),
                both,
            )
    for name, f in facts.iterrows():
        for share in (0.1, 0.2):
            new = planted(d, effects()[name], share, seed, controls=0.05, factor=FACTOR)
            yield f"5 % of controls and {share:.0%} senescent|{name}", new, f.study
        new = planted(d, effects()[name], 0.1, seed, factor=FACTOR)
        yield f"10 % senescent, labels of animals exchanged|{name}", exchanged(new), f.study


def first_of(d: Data, controls: int, treated: int) -> Data:
    """The first animals of each arm."""
    names = [
        s
        for arm, n in ((False, controls), (True, treated))
        for s in sorted(set(d.sample[d.treated == arm]))[:n]
    ]
    return only(d, np.isin(d.sample, names))


def alone(seed: int) -> Iterator[Case]:
    """A single animal in an arm: simulated tissue, and real cells of which none was made senescent.

    The call is a candidate where the controls are one; it is counted as a call all the same.
    """
    d = base(seed)
    for controls, treated in ((1, 1), (3, 1), (1, 3)):
        one, what = first_of(d, controls, treated), f"{controls} and {treated} animals"
        for share in (0.05, 0.1, 0.3) if controls == treated else (0.1,):
            for name, f in damage().iterrows():
                new = planted(one, effects()[name], share, seed, factor=FACTOR)
                yield f"{what}, {share:.0%} senescent|{name}", new, f.study
        for trap in DECOYS:
            yield f"{what}, decoy {trap}|", decoy(one, trap, seed), None
    if seed > 2:  # what follows has no chance in it
        return
    mice, where = lung(), "mouse lung, one mouse against another"
    for control, treated in permutations(sorted(set(mice.subject)), 2):
        pair = only(mice, np.isin(mice.subject, (control, treated)))
        ill = pair.subject == treated
        yield f"{where}|{control} {treated}", pair.but(treated=ill), None
    donors = two_donors()
    for control, treated in permutations(sorted(set(donors.sample)), 2):
        pair = only(donors, np.isin(donors.sample, (control, treated)))
        name = f"{control} {treated}"
        if pair.treated.all() or not pair.treated.any():
            ill = pair.sample == treated
            yield f"PBMC, one donor against another|{name}", pair.but(treated=ill), None
        elif pair.treated[pair.sample == treated].all():
            yield f"PBMC, one sample without and one with interferon|{name}", pair, None
    d = pc9()
    whole = np.where(d.treated, "erlotinib", "control").astype(object)
    yield "PC9, one sample without and one with erlotinib|", d.but(sample=whole), None


PARTS = {"nulls": nulls, "planted": in_real_cells, "alone": alone, "designs": designs}


def main() -> None:
    """Try the parts named, or all, and keep their tables for the page."""
    quiet()
    wanted, seeds = seeds_of(set(sys.argv[1:]))
    seeds = seeds or [2]
    if any(s % 2 for s in seeds) or wanted - set(PARTS):
        sys.exit(
            f"parts are {', '.join(PARTS)}; odd seeds are for tuning: {sorted(wanted)}, {seeds}"
        )
    for part in sorted(wanted) or PARTS:
        for seed in seeds:
            keep(part, seed, tried(PARTS[part](seed)))


if __name__ == "__main__":
    main()
