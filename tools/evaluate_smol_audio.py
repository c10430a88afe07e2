"""The figures of smol-audio's card, on voices that it has not heard.

    python tools/evaluate_smol_audio.py aims --out docs/results/smol-audio
    python tools/evaluate_smol_audio.py reading --out docs/results/smol-audio
    python tools/evaluate_smol_audio.py probes --out docs/results/smol-audio
    python tools/evaluate_smol_audio.py planted --clips 50 --out docs/results/smol-audio

``aims`` asks it what it was trained to be asked; ``reading`` compares heard with read neurons; ``probes`` asks how well
emotions can be read off encoder, projector and every layer of the decoder; ``planted`` sets it beside toy-omni. Each
takes a balanced part of the clips, by default few enough for a quarter of an hour on a core. All of them, on a GPU:

    python tools/evaluate_smol_audio.py aims --device cuda --batch-size 200 --clips all --people all --words all \\
        --out docs/results/smol-audio

``silenced`` and ``turned_up`` do that at one size (``--top``), beside neurons that permuted labels select. Each of
``--permutations`` costs as much as the neurons themselves, so that these are for a GPU.

``crossed`` asks about all ten speakers of EmoDB, each by the projector that left this speaker out (``--trained FOLDER
--emodb FOLDER``). ``--projector FILE`` puts another projector in the place of the one that comes with the package, such
as that of another seed, or one that never heard a question about emotions; ``--name`` calls its figures otherwise.
"""

import argparse
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from smol_audio.aims import aims
from smol_audio.beside import planted
from smol_audio.clips import MODEL, part_of
from smol_audio.crossed import crossed
from smol_audio.probing import probes
from smol_audio.selected import silenced, turned_up, validated

import esn_interp as esn
from esn_interp.files import write_json


def reading(lm: Any, arguments: argparse.Namespace) -> Any:
    _, identification, evaluation = esn.corpus("toy-studio").split()
    size = {"batch_size": arguments.batch_size}
    stats = esn.collect(lm, identification, limit=arguments.collect, progress=False, **size)
    esns = esn.select(stats, "mad", top=arguments.top, filter=arguments.filter)
    few = evaluation.limit(5) if arguments.silence == 0 else part_of(evaluation, arguments.silence)
    options: dict[str, Any] = {"silencing": arguments.silence != 0, "permutations": arguments.permutations, **size}
    return esn.reading(lm, few, esns, **options)


def loaded(arguments: argparse.Namespace) -> Any:
    """The model, with the projector that is asked for; toy-omni, where that alone is set beside it."""
    if MODEL not in arguments.models:
        return esn.load(arguments.models[0], device_map=arguments.device)
    lm: Any = esn.load(MODEL, dtype=arguments.dtype, device_map=arguments.device)
    if arguments.projector is not None:
        weights = {name: value.float() for name, value in load_file(arguments.projector).items()}
        lm.model.model.multi_modal_projector.load_state_dict(weights)
    return lm


def several(text: str) -> int | None:
    """A number of clips; None for all."""
    return None if text == "all" else int(text)


def known(content: Any) -> Any:
    """What JSON can say: null for what is not known, such as an interval of outcomes that are the same for all."""
    if isinstance(content, dict):
        return {name: known(value) for name, value in content.items()}
    if isinstance(content, list):
        return [known(value) for value in content]
    return None if isinstance(content, float) and not math.isfinite(content) else content


def main() -> None:
    parts: dict[str, Callable[..., Any]] = {
        "aims": aims,
        "crossed": crossed,
        "reading": reading,
        "probes": probes,
        "planted": planted,
        "silenced": silenced,
        "turned_up": turned_up,
        "validated": validated,
    }
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("part", choices=parts)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--name", help="what the file is called; by default as the part")
    parser.add_argument("--projector", type=Path, help="safetensors of another projector")
    parser.add_argument("--trained", type=Path, help="folder of tools/train_smol_audio.py, for crossed")
    parser.add_argument("--emodb", type=Path, help="folder of EmoDB's release, for crossed")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", default="bfloat16")
    parser.add_argument("--batch-size", type=int, default=8)
    counts = {"clips": 100, "people": 70, "words": 30, "collect": 100, "silence": 20, "probe": 70}
    for name, value in counts.items():
        told = "clips, balanced over the emotions, or all"
        parser.add_argument(f"--{name}", type=several, default=value, help=told)
    parser.add_argument("--selector", default="mad", help="of silenced and turned_up")
    parser.add_argument("--top", type=float, default=0.01)
    parser.add_argument("--filter", choices=("correct", "none"), default="correct", help="clips to find neurons on")
    parser.add_argument("--models", nargs="+", choices=(MODEL, "toy-omni"), default=(MODEL, "toy-omni"))
    parser.add_argument("--tops", type=float, nargs="+", default=[0.005, 0.01])
    parser.add_argument("--alphas", type=float, nargs="+", default=[0.5, 1, 2, 4])
    parser.add_argument("--draws", type=int, default=1, help="sets of random neurons, an emotion")
    parser.add_argument("--permutations", type=int, default=199)
    arguments = parser.parse_args()
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    lm = loaded(arguments)
    with torch.inference_mode(False), torch.no_grad():
        result = parts[arguments.part](lm, arguments)
    path = arguments.out / f"{arguments.name or arguments.part}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(result, dict):
        left_out = ("out", "part", "name", "projector", "trained", "emodb")
        settings = {name: value for name, value in vars(arguments).items() if name not in left_out}
        if arguments.projector is not None:
            settings["projector"] = arguments.projector.name
        head = {"kind": "smol-audio figures", "version": 2, "model": lm.name, "fingerprint": lm.fingerprint}
        write_json(path, known({**head, "settings": settings, **result}))
    else:
        result.save(path)
    print(path)


if __name__ == "__main__":
    main()
