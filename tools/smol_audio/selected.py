"""What neurons of smol-audio do, silenced and turned up, beside those that permuted labels select."""

import argparse
from typing import Any

import esn_interp as esn
from esn_interp.analysis.ablation.result import Ablation
from esn_interp.analysis.dose.result import DoseResponse
from smol_audio.clips import part_of, told

SELECTORS = ("lape", "mad", "cas", "cohen")


def silenced(lm: Any, arguments: argparse.Namespace) -> Ablation:
    """Each emotion's neurons silenced, at one size."""
    clips, esns, options = _found(lm, arguments)
    return esn.ablation(lm, clips, esns, draws=arguments.draws, **options)


def turned_up(lm: Any, arguments: argparse.Namespace) -> DoseResponse:
    """The same neurons turned up by each gain; the null at the largest one."""
    clips, esns, options = _found(lm, arguments)
    return esn.dose_response(lm, clips, esns, alphas=(0, *arguments.alphas), draws=arguments.draws, **options)


def validated(lm: Any, arguments: argparse.Namespace) -> dict[str, Any]:
    """What each selector's neurons do at each size on validation voices, by which one may choose; no null."""
    validation, identification, _ = esn.corpus("toy-studio").split()
    how: dict[str, Any] = {"batch_size": arguments.batch_size, "progress": False}
    stats = esn.collect(lm, identification, limit=arguments.collect, **how)
    clips, found = part_of(validation, arguments.clips), dict[str, Any]()
    for selector in SELECTORS:
        for top in arguments.tops:
            esns = esn.select(stats, selector, top=top, filter=arguments.filter)
            silenced = esn.ablation(lm, clips, esns, draws=0, relabellings=0, **how)
            effects = (silenced.self_change, silenced.cross_change, silenced.specificity)
            found[f"{selector}_{top:g}"] = dict(zip(("self", "cross", "specificity"), map(told, effects), strict=True))
    return {"clips": len(clips), "speakers": len(clips.speakers), "tried": found}


def _found(lm: Any, arguments: argparse.Namespace) -> tuple[esn.Clips, esn.NeuronSet, dict[str, Any]]:
    _, identification, evaluation = esn.corpus("toy-studio").split()
    size: dict[str, Any] = {"batch_size": arguments.batch_size, "progress": False}
    stats = esn.collect(lm, identification, limit=arguments.collect, per_clip=True, **size)
    esns = esn.select(stats, arguments.selector, top=arguments.top, filter=arguments.filter)
    options: dict[str, Any] = {"stats": stats, "relabellings": arguments.permutations, **size}
    return part_of(evaluation, arguments.clips), esns, options
