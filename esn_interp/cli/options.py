"""Options that several commands share, with one wording each, and the checks on their values."""

import logging
from enum import StrEnum
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from esn_interp.cli.corpus_choice import chosen
from esn_interp.cli.model_choice import chosen_model
from esn_interp.errors import CorpusError, EsnError, ModelError

if TYPE_CHECKING:
    from esn_interp.models.audio_lm import AudioLM
    from esn_interp.neurons.statistics import GateStatistics
    from esn_interp.speech.clips import Clips

Model = Annotated[
    str, typer.Option("--model", metavar="M", help="A bundled model, a Hugging Face name or a folder.")
]
Corpus = Annotated[
    str,
    typer.Option("--corpus", metavar="C", help="A corpus by name (see `esn corpora`), a folder or a table."),
]
Root = Annotated[
    Path | None, typer.Option("--root", metavar="PATH", help="Where the corpus lies, for those that need it.")
]
Neurons = Annotated[
    Path, typer.Option("--neurons", metavar="F", help="A neuron set, as written by `esn select`.")
]
Statistics = Annotated[
    Path | None, typer.Option("--stats", metavar="S", help="Statistics, as written by `esn collect`.")
]
Limit = Annotated[
    int | None,
    typer.Option("--limit", min=1, metavar="N", help="Use N clips at most, balanced over emotions."),
]
BatchSize = Annotated[
    int, typer.Option("--batch-size", min=1, metavar="B", help="Clips that go through the model together.")
]
Draws = Annotated[
    int,
    typer.Option(
        "--draws", min=0, metavar="R", help="Layer-matched random neuron sets drawn as the control."
    ),
]
TokenScope = Annotated[
    str,
    typer.Option(
        "--positions", metavar="P", help="Where edits act: all, or some of audio,text,last,generated."
    ),
]


class Split(StrEnum):
    """The three disjoint sets of speakers, or all of them."""

    validation = "validation"
    identification = "identification"
    evaluation = "evaluation"
    all = "all"


def out_file(path: Path, suffix: str) -> Path:
    """`path` with its suffix and its folder checked before any long work starts.

    Raises
    ------
    EsnError
        When the suffix is another one, or the path leads through a file.
    """
    if path.suffix != suffix:
        raise EsnError(f"--out {path}: the file is a {suffix} file; call it {path.with_suffix(suffix).name}")
    if path.is_dir():
        raise EsnError(f"--out {path}: this is a folder; name a file in it")
    return in_folder(path)


def in_folder(path: Path) -> Path:
    """`path`, when a file or folder can come to be there; missing folders are made when it is written.

    Raises
    ------
    EsnError
        When something on the way is a file.
    """
    for parent in path.absolute().parents:
        if parent.is_dir():
            break
        if parent.exists():
            raise EsnError(f"--out {path}: {parent} is a file, not a folder")
    return path


def numbers(text: str, option: str, *, least: float = 0.0) -> tuple[float, ...]:
    """Comma-separated numbers of at least ``least``, e.g. ``0,0.5,1``.

    Raises
    ------
    EsnError
        On anything else, naming the option and the piece.
    """
    values: list[float] = []
    for piece in text.split(","):
        try:
            value = float(piece)
        except ValueError:
            raise EsnError(
                f"{option} {text}: {piece.strip()!r} is not a number; give e.g. 0,0.5,1,2,4"
            ) from None
        if not least <= value < float("inf"):
            raise EsnError(f"{option} {text}: {piece.strip()} must be a finite number of {least:g} or more")
        values.append(value)
    if len(set(values)) != len(values):
        raise EsnError(f"{option} {text}: a value is given twice")
    return tuple(values)


def words(text: str) -> tuple[str, ...]:
    """Comma-separated words."""
    return tuple(piece.strip() for piece in text.split(","))


def layer_bands(text: str, option: str) -> int | list[tuple[int, int]]:
    """A number of bands of like size, e.g. ``3``, or ranges of layers, e.g. ``0-3,4-7``.

    Raises
    ------
    EsnError
        On anything else, naming the option and the piece.
    """
    if text.strip().isdecimal():
        return int(text)
    bands: list[tuple[int, int]] = []
    for piece in words(text):
        first, dash, last = piece.partition("-")
        if not (dash and first.isdecimal() and last.isdecimal()):
            raise EsnError(
                f"{option} {text}: {piece!r} is no range of layers; give a number, or e.g. 0-3,4-7"
            )
        bands.append((int(first), int(last)))
    return bands


def positions_of(text: str) -> frozenset[str]:
    """Token scopes where edits act: ``all``, or some of them separated by commas."""
    from esn_interp.models.edits import EVERYWHERE, SCOPES

    if text == "all":
        return EVERYWHERE
    chosen = frozenset(piece.strip() for piece in text.split(","))
    if unknown := sorted(chosen - EVERYWHERE):
        raise EsnError(
            f"--positions {text}: unknown token scope {unknown[0]!r}; choose all, or some of "
            f"{', '.join(SCOPES)}"
        )
    return chosen


def statistics_of(path: Path | None) -> "GateStatistics | None":
    """The statistics in a file, where one is named."""
    if path is None:
        return None
    from esn_interp.neurons.statistics import GateStatistics

    return GateStatistics.load(path)


def load_model(name: str, *, progress: bool, speaking: bool = False, **options: Any) -> "AudioLM":
    """The model of that name; a misspelled one is refused before anything heavy is imported.

    ``progress`` shows a bar while the weights are read, which takes minutes where a model is large; ``speaking``
    reads those that only speech needs, too. Further ``options`` go before what the user said of the model.

    Raises
    ------
    ModelError
        When there is no such model.
    """
    bundled = sorted(
        path.name for path in (files("esn_interp") / "models" / "bundled").iterdir() if path.is_dir()
    )
    # Names on the hub have an owner before a slash; asking the hub for anything else would only take time.
    if name not in bundled and "/" not in name and not Path(name).is_dir():
        raise ModelError(
            f"unknown model {name!r}; bundled: {', '.join(bundled)}; else give a folder, or a Hugging Face "
            "name such as Qwen/Qwen2.5-Omni-7B"
        )
    # The hub's client tells of every retry; what matters comes back as one error.
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)

    from transformers.utils import logging as transformers_logging

    from esn_interp.models.loading import load, load_speaking

    if progress and name not in bundled:
        transformers_logging.enable_progress_bar()
    else:
        transformers_logging.disable_progress_bar()
    return (load_speaking if speaking else load)(name, **(chosen_model().options | options))


def clips_of(corpus: str, root: Path | None, *, split: Split, limit: int | None, seed: int) -> "Clips":
    """The clips that a command is to use: one split of a corpus, at most `limit` of them.

    What else the user said of the corpus, with `--emotions` and the like, is seen to here.

    Raises
    ------
    CorpusError
        When the corpus is unknown or cannot be read, or the split has no clips.
    """
    from esn_interp.models.loading import heard_of
    from esn_interp.speech.splits import Assignment

    choice = chosen()
    clips = load_clips(corpus, root)
    if split is not Split.all:
        by = choice.split_by
        if by is not None and by.endswith(".json"):
            assignment = Assignment.load(by)
        else:
            # Only a split by speaker can keep those apart whom the model has heard.
            heard = heard_of(choice.model) if by in (None, "speaker") and choice.model else None
            assignment = clips.assign(
                by=by, identification=choice.identification, unheard_by=heard, seed=seed
            )
        parts = clips.divide(assignment)
        clips = parts[(Split.validation, Split.identification, Split.evaluation).index(split)]
        if assignment.unheard_by:
            choice.tell(
                f"{assignment.unheard_by} has heard some of these speakers in its training and is evaluated on others"
            )
    if limit is not None:
        clips = clips.limit(limit, seed=seed)
    if not len(clips):
        raise CorpusError(f"corpus {corpus}: no clips in the split {split}; try --split all")
    for note in clips.notes:
        choice.tell(note)
    return clips


def load_clips(corpus: str, root: Path | None) -> "Clips":
    """All clips of a corpus, of the emotions and treated as the user said.

    Raises
    ------
    CorpusError
        When the corpus is unknown or cannot be read.
    """
    from esn_interp.speech.corpora import corpus as load_corpus

    choice = chosen()
    clips = load_corpus(corpus, root=root, emotions=choice.emotions, **choice.options)
    if choice.loudness is None and choice.trim is None:
        return clips
    return clips.prepared(loudness=choice.loudness, trim=choice.trim)
