"""The verbs for pieces of a large dataset; the workflow uses them above ``score.shard_cells``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from senoscore.layout import Layout

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["add_shard_verbs"]

Dataset = Annotated[str, typer.Option("--dataset", help="Name in the datasets sheet.")]
Of = Annotated[int, typer.Option("--of", min=1, help="Number of pieces.")]
Results = Annotated[Path, typer.Option("--results", help="Folder of the run.")]
Settings = Annotated[
    str | None,
    typer.Option("--settings", help="Config sections as JSON (what the workflow passes)."),
]
Threads = Annotated[int, typer.Option("--threads", min=1, help="Threads of the kernels.")]

_CONFIG = Path("config/config.yaml")
_RESULTS = Path("results")


def add_shard_verbs(
    app: typer.Typer, read_settings: Callable[[str | None, Path], dict[str, Any]]
) -> None:
    """Give an app ``survey``, ``shard`` and ``gather``.

    Parameters
    ----------
    app
        The app.
    read_settings
        Function of the JSON given and the config file that returns the whole configuration.
    """

    @app.command()
    def survey(
        *,
        dataset: Dataset,
        settings: Settings = None,
        config: Path = _CONFIG,
        threads: Threads = 1,
        results: Results = _RESULTS,
    ) -> None:
        """First pass over all cells of a large dataset, for its pieces."""
        from senoscore import stages

        stages.survey(dataset, read_settings(settings, config), Layout(results), threads=threads)

    @app.command()
    def shard(
        *,
        dataset: Dataset,
        part: Annotated[int, typer.Option("--part", min=0, help="Which piece, from 0.")],
        of: Of,
        settings: Settings = None,
        config: Path = _CONFIG,
        threads: Threads = 1,
        results: Results = _RESULTS,
    ) -> None:
        """Score the cells of one piece."""
        from senoscore import stages

        stages.shard(
            dataset, read_settings(settings, config), Layout(results),
            part=part, of=of, threads=threads,
        )  # fmt: skip

    @app.command()
    def gather(*, dataset: Dataset, of: Of, results: Results = _RESULTS) -> None:
        """Put the pieces together: the file that one job would have written."""
        from senoscore import stages

        stages.gather(dataset, Layout(results), of=of)
