"""Look at everything, and say what was found."""

import time
from collections.abc import Sequence
from pathlib import Path

from esn_interp.doctor.environment import environment
from esn_interp.doctor.files import examine
from esn_interp.doctor.finding import BAD, FINE, Diagnosis, Finding
from esn_interp.doctor.trial import trial
from esn_interp.errors import EsnError
from esn_interp.models.loading import outline


def diagnose(
    paths: Sequence[str | Path] = (),
    *,
    models: Sequence[str] = (),
    self_test: bool = True,
    seed: int = 0,
    progress: bool = True,
) -> Diagnosis:
    """What stands in the way: of the installation, of these files, of these models.

    Parameters
    ----------
    paths
        Files and folders to read whole: statistics, sets of neurons, results, studies, checkpoints, tables of clips,
        recordings.
    models
        Models of whose structure only the configuration is read: whether they are known, and where their gates are.
    self_test
        Whether to find and silence neurons of the bundled model, which takes a few seconds.
    """
    started = time.monotonic()
    findings = [*environment(), *map(examine, paths), *map(_model, models)]
    if self_test:
        findings += trial(seed=seed, progress=progress)
    return Diagnosis(tuple(findings), time.monotonic() - started)


def _model(name: str) -> Finding:
    try:
        shape = outline(name)
    except EsnError as error:
        return Finding(name, BAD, str(error))
    weights = sum(parameter.numel() for parameter in shape.model.parameters())
    size = weights * shape.bytes_per_value
    told = f"{weights / 1e6:,.1f} million weights, {size / 1e9:.2f} GB as the checkpoint has them"
    return Finding(name, FINE, told)
