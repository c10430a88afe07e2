"""`esn merge`: the statistics of several shards in one."""

from pathlib import Path
from typing import Annotated

import typer

import esn_interp as esn
from esn_interp.cli.collect import save_statistics
from esn_interp.cli.shared import Run, StatisticsOut, out_file


def merge(
    *,
    files: Annotated[list[Path], typer.Argument(metavar="A B ...", help="Statistics of different clips.")],
    out: StatisticsOut,
    run: Run,
) -> None:
    """Add the statistics of several shards.

    Counts add exactly, in any order; no two shards may hold the same clips.

    Example:
        esn merge stats.safetensors phone.safetensors --out both.safetensors
    """
    out_file(out, ".safetensors", kinds=("statistics",))
    save_statistics(esn.merge([esn.GateStatistics.load(file) for file in files]), out, run)
