"""The two ways in: run a whole study from one config, and tell one anew that was run."""

import time
from pathlib import Path
from typing import Any

import yaml

from esn_interp.errors import EsnError
from esn_interp.files import clean, locked, read_json_of
from esn_interp.speech.clips import Clips
from esn_interp.studies.config import StudyConfig, load_config, ready_configs
from esn_interp.studies.conversion.config import ConversionConfig
from esn_interp.studies.conversion.plan import ConversionPlan
from esn_interp.studies.conversion.study import ConversionStudy
from esn_interp.studies.recognition.config import RecognitionConfig
from esn_interp.studies.recognition.plan import RecognitionPlan
from esn_interp.studies.recognition.study import RecognitionStudy
from esn_interp.studies.results import RESULTS, STAGES, understood
from esn_interp.studies.work import Plan, Say
from esn_interp.tasks.listener import Listener, SpeakingLM

PLANS: dict[type[StudyConfig], type[Plan]] = {RecognitionConfig: RecognitionPlan, ConversionConfig: ConversionPlan}
"""How a study is worked on, by the kind of its config."""

STUDIES = (RecognitionStudy, ConversionStudy)


def study(
    config: str | Path | RecognitionConfig | ConversionConfig,
    out: str | Path,
    *,
    lm: Listener | SpeakingLM | None = None,
    clips: Clips | None = None,
    resume: bool = False,
    progress: bool = True,
    say: Say = lambda text: None,
    **changed: Any,
) -> RecognitionStudy | ConversionStudy:
    """Run a whole study of recognition, or of emotion control in generated speech, or what is left of it.

    Three sets of speakers never mix: neurons are found on identification speakers, how to select and steer is chosen on
    validation speakers, and effects are measured once, on evaluation speakers. Every task's result is stored below
    ``stages/``, named by all that it depends on: a study that was killed goes on where it was, a second run finds
    everything, and a changed setting reruns what depends on it.

    Parameters
    ----------
    config
        A `RecognitionConfig` or `ConversionConfig`, a ``.yaml`` file with the settings of one, or a study that comes
        with the package, such as ``demo`` or ``evc-toy``.
    out
        Folder for the report, the results, and every stage.
    lm, clips
        A model and a corpus that are loaded already, in place of those of the config.
    resume
        Insist that there is a study in the folder to go on with.
    say
        Told in plain words what is being done.
    changed
        Settings that replace those of the config, such as ``alphas=(1, 2)``.

    Raises
    ------
    EsnError
        When a setting is no good, a corpus can't be loaded, or another run is writing the folder. A task that can't be
        done, for want of clips or neurons for example, is noted in the results, and the study goes on.
    """
    started, folder = time.monotonic(), Path(out)
    if resume and not (folder / STAGES).is_dir():
        raise EsnError(f"{folder}: there is no study to resume; leave --resume out to begin one")
    with locked(folder):
        plan = plan_of(config, folder, lm=lm, clips=clips, progress=progress, **changed)
        clean(folder)
        plan.run(say)
        done = plan.write(time.monotonic() - started, say)
    assert isinstance(done, STUDIES)
    return done


def plan_of(
    config: str | Path | StudyConfig,
    folder: Path,
    *,
    lm: Listener | SpeakingLM | None = None,
    clips: Clips | None = None,
    progress: bool = True,
    **changed: Any,
) -> Plan:
    """A study before it is run; see `study`."""
    settings = config if isinstance(config, StudyConfig) else load_config(config, kind=kind_of(config))
    if lm is not None:
        changed = {"models": [{"model": lm.name, "component": lm.component}]} | changed
    if clips is not None:
        changed = {"corpora": [clips.name]} | changed
    settings = settings.changed(**changed) if changed else settings
    return PLANS[type(settings)](settings, folder, progress, lm, clips)


def kind_of(config: str | Path) -> type[StudyConfig]:
    """The kind of study that a file is about: the one that knows most of its settings.

    A file that says nothing of conversions (``targets``, for example) is about recognition.
    """
    for kind in PLANS:
        if str(config) in ready_configs(kind):
            return kind
    try:
        named = yaml.safe_load(Path(config).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError, yaml.YAMLError):
        named = None  # what is wrong with it is told when it is loaded
    return max(PLANS, key=lambda kind: len(set(named or ()) & set(kind.model_fields)) if isinstance(named, dict) else 0)


def load_study(folder: str | Path) -> RecognitionStudy | ConversionStudy:
    """Read the folder of any study that was run.

    Raises
    ------
    EsnError
        When there is no such folder, or no results of a study in it.
    """
    kinds = {kind: version for study in STUDIES for kind, version in study.formats.items()}
    if Path(folder).is_dir():
        kind = read_json_of(Path(folder) / RESULTS, kinds)["kind"]
        return next(study for study in STUDIES if kind in study.formats).load(folder)
    return STUDIES[0].load(folder)


def report(folder: str | Path) -> Path:
    """Write the page of any study that was run anew, from the files of its folder; returns its path.

    Raises
    ------
    EsnError
        When the folder or one of its files is missing or of another version.
    """
    done = load_study(folder)
    with understood(done.folder):
        return done.write_page()
