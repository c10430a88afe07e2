"""A trial of the whole way on the bundled model: hear, find, silence; against what must come out."""

import warnings
from collections.abc import Iterator

import numpy as np

from esn_interp.doctor.finding import BAD, FINE, Finding
from esn_interp.errors import EsnError, EsnWarning, first_line
from esn_interp.interventions.edits import deactivate
from esn_interp.models.loading import BUNDLED, bundled_path, load
from esn_interp.neurons.selectors import select
from esn_interp.speech.corpora import corpus
from esn_interp.tasks.collection import collect
from esn_interp.tasks.recognition import recognise

MODEL, CORPUS = "toy-omni", "toy-studio"
CLIPS = 40
SHARE = 0.05
NAME = "self-test"


def trial(*, seed: int = 0, progress: bool = True) -> Iterator[Finding]:
    """Load, recognise, collect, select and silence, in a few seconds; each step says whether it does what it must."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", EsnWarning)  # that so few clips are too few for a study is known
            found = list(_steps(seed, progress))
        yield from found
    except EsnError as error:
        yield Finding(NAME, BAD, str(error))
    except Exception as error:  # whatever breaks here would break the user's run, in any library
        yield Finding(NAME, BAD, f"{type(error).__name__}: {first_line(error)}; install the pinned versions")


def _steps(seed: int, progress: bool) -> Iterator[Finding]:
    # What is put together of parts that others publish is not looked for: it takes a download.
    whole = [name for name in BUNDLED if (bundled_path(name) / "model.safetensors").is_file()]
    yield Finding("bundled models", FINE, ", ".join(repr(load(name)) for name in whole))
    lm = load(MODEL)
    found_on, _, heard = corpus(CORPUS).split()
    heard = heard.limit(CLIPS, seed=seed)
    statistics = collect(lm, found_on.limit(CLIPS, seed=seed), progress=progress)
    neurons = select(statistics, top=SHARE)
    emotion = neurons.emotions[-1]
    once = recognise(lm, heard, conditions={"silenced": deactivate(neurons[emotion])}, progress=progress)
    plain, again = (recognise(lm, heard, progress=progress).log_probs[0] for _ in range(2))
    if np.array_equal(plain, again) and np.isfinite(plain).all():
        yield Finding(NAME, FINE, f"{len(plain)} clips are answered the same twice, to the bit")
    else:
        yield Finding(NAME, BAD, "a clip is not answered the same twice: set OMP_NUM_THREADS=1, or try another torch")
    gates, moved = len(neurons[emotion].flat), float(np.abs(once.log_probs[0] - plain).max())
    if moved > 0:
        yield Finding(NAME, FINE, f"{gates} gates found for {emotion!r} and silenced move answers by {moved:.2f} nats")
    else:
        yield Finding(NAME, BAD, f"silencing {gates} gates changed nothing: install the pinned nnsight, transformers")
