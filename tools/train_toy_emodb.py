"""Train toy-emodb: toy-omni learns seven emotions of real speech from training speakers of EmoDB.

AUDIO="training training-further"
python tools/train_toy_emodb.py --emodb emodb --audio $AUDIO --out esn_interp/models/bundled/toy-emodb
"""

import argparse
from dataclasses import fields
from pathlib import Path
from typing import Any

import torch
from toy_omni import architecture, questions, real_speech
from toy_omni.augmentation import Augmentation
from toy_omni.real_speech import Recipe, voiced
from toy_omni.records import heard_in_training

import esn_interp as esn
from esn_interp.speech.heard import Heard


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--emodb", type=Path, required=True, help="the folder of the corpus")
    parser.add_argument(
        "--audio", type=Path, required=True, nargs=2, help="what tools/training_audio.py wrote, plain and --further"
    )
    parser.add_argument("--begin", default="toy-omni", help="toy-omni, or a folder with its thinker")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument(
        "--fold",
        type=int,
        choices=range(len(real_speech.FOLDS)),
        help="cross-fitting: leave out these two speakers, learn from the eight others",
    )
    parser.add_argument("--threads", type=int, default=2)
    for field in fields(Recipe):
        parser.add_argument(
            f"--{field.name.replace('_', '-')}", type=type(field.default), default=field.default
        )
    arguments = vars(parser.parse_args())
    torch.set_num_threads(arguments.pop("threads"))
    emodb, audio, begin, out, fold = (
        arguments.pop(name) for name in ("emodb", "audio", "begin", "out", "fold")
    )
    recipe = Recipe(**arguments)
    corpus = esn.corpus("emodb", root=emodb)
    training, watched = real_speech.TRAINING, real_speech.VALIDATION
    if fold is not None:
        watched = real_speech.FOLDS[fold]
        training = tuple(speaker for speaker in corpus.speakers if speaker not in watched)
    lm: Any = esn.load(begin)
    real_speech.learn(
        lm,
        voiced(corpus.where(speaker=training), questions.ALL_EMOTIONS),
        voiced(real_speech.remembered(audio, recipe), questions.EMOTIONS),
        voiced(corpus.where(speaker=watched), questions.ALL_EMOTIONS, speeds=(1.0,)),
        recipe,
        Augmentation(),
    )
    architecture.save(lm.model.eval(), lm.processor.tokenizer, out)
    before = heard_in_training(further=True)
    chosen_by = {"emodb": watched} if fold is None else {}
    Heard(
        speakers={
            "training": {"emodb": training, **before.speakers["training"]},
            "validation": {**chosen_by, **before.speakers["validation"]},
        },
        sentences=before.sentences,
    ).save(out)


if __name__ == "__main__":
    main()
