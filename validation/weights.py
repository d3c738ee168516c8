"""Make ``resources/programme_effects.tsv``: what DNA damage moves, over published contrasts.

Run: ``python validation/weights.py`` with the folder of contrasts (``plant.FOLDER``) at hand. Of
each candidate gene: the mean over studies of its shrunken change, divided by their spread + 0.5
(``plant.prior``). A gene that moves against the direction of the lists gets nothing.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from plant import contrasts, prior

from senoscore.calling.engine import choose

OUT = Path(__file__).parents[1] / "resources" / "programme_effects.tsv"


def main() -> None:
    """Write the table."""
    facts = contrasts()
    studies = sorted(set(facts.loc[facts["kind"] == "DNA-damage", "study"]))
    known = prior()
    features = choose(list(map(str, known.index)), "human").features
    effect = known.reindex(features.genes).fillna(0.0).round(2)
    effect = effect[(effect * features.sign > 0).to_numpy()]
    table = pd.DataFrame({"gene": effect.index.astype(str), "effect": effect.to_numpy()})
    head = (
        "# Mean natural log change in DNA-damage-induced senescence over its spread + 0.5, from "
        f"{', '.join(studies)}. See validation/weights.py and NOTICE.\n"
    )
    text = table.sort_values("gene").to_csv(sep="\t", index=False, lineterminator="\n")
    OUT.write_text(head + text, encoding="utf-8")
    print(f"{len(table)} genes of {len(studies)} studies")


if __name__ == "__main__":
    main()
