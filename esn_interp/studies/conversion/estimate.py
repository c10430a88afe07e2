"""What a study of conversions will run, before it is run: conversions, stage by stage."""

from dataclasses import dataclass

from esn_interp.analysis.conversion.settings_result import RANDOM_SELECTOR
from esn_interp.studies.conversion.cell import Cell
from esn_interp.studies.conversion.plan import ConversionPlan


@dataclass(frozen=True)
class StageCost:
    """A stage: how many clips it says otherwise, and how many conversions that makes at most."""

    stage: str
    title: str
    clips: int
    conversions: int


def estimate(plan: ConversionPlan) -> tuple[StageCost, ...]:
    """Every stage of every cell. What turns out to be the same as in another stage is done once only."""
    return tuple(
        StageCost(stage, cell.title, clips, conversions)
        for cell in plan.cells
        for stage, (clips, conversions) in _counts(cell).items()
        if plan.config.does(stage)
    )


def _counts(cell: Cell) -> dict[str, tuple[int, int]]:
    config, targets = cell.config, len(cell.config.targets)
    sizes = {name: len(clips) for name, clips in cell.splits.items()}
    sieves = {name: 1 + (config.compare_filter and name != RANDOM_SELECTOR) for name in config.selectors}
    settings = sum(sieves.values()) * len(config.tops) * len(config.alphas)
    heard = max(1, config.listening_pairs)
    unseen = 3 + config.compare_filter
    measured = unseen * sizes["evaluation"] + 2 * sizes["identification"]
    crossed = len(cell.crossed_rows)
    return {
        "sample": (sizes["identification"], sizes["identification"] * targets * config.attempts),
        "select": (sizes["validation"], sizes["validation"] * targets * (1 + settings)),
        "evaluate": (sizes["evaluation"] + sizes["identification"], measured * targets),
        "cross": (crossed, crossed * targets * (targets - 1)),
        "listen": (heard * targets, 3 * heard * targets),
    }
