"""Corpora by name, or from the user's own folder, table or dataset: `corpus("toy-studio")`."""

import inspect
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from datasets import Dataset, DatasetDict

from esn_interp.errors import CorpusError
from esn_interp.speech.clips import Clips
from esn_interp.speech.corpora import (
    crema_d,
    emodb,
    emodb_sample,
    emovo,
    esd,
    iemocap,
    jl_corpus,
    meld,
    mesd,
    msp_podcast,
    nemo,
    ravdess,
    savee,
    tess,
    toy,
)
from esn_interp.speech.corpora.audformat import load_audformat
from esn_interp.speech.corpora.dataset import load_any_dataset, load_hub_dataset, load_saved_dataset
from esn_interp.speech.corpora.folder import load_folder, load_frame, load_table
from esn_interp.speech.corpora.info import CorpusInfo
from esn_interp.speech.spelling import legible, writable

_MODULES = (
    *(emodb_sample, emodb, iemocap, meld, msp_podcast, esd, ravdess, crema_d, tess, savee),
    *(emovo, nemo, jl_corpus, mesd),
)
CORPORA: dict[str, CorpusInfo] = {
    info.name: info for info in (*toy.INFOS, *(module.INFO for module in _MODULES))
}
_HUB = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")


def corpus(
    source: str | Path | Clips | Dataset | DatasetDict | pd.DataFrame,
    *,
    root: str | Path | None = None,
    emotions: str | Sequence[str] | None = None,
    **options: Any,
) -> Clips:
    """The clips of a corpus.

    `source` is a name from `CORPORA`; or a folder (with a metadata.csv, or a database in audformat, or a saved
    dataset, else one subfolder per emotion); or a .csv, .tsv, .jsonl or .parquet table; or a dataset or DataFrame
    with the columns `audio` and `emotion`, also by its name on the hub, such as "owner/name". `root` says where a
    corpus lies that is not bundled. `emotions` keeps the clips of these, in any spelling, or of a convention that
    the corpus knows by name ("4-class"). Further options go to the corpus's own loader.

    Raises `CorpusError` when the name is unknown, `root` is missing, the files are not what was expected, no
    clip has one of the emotions, or an option is unknown.
    """
    clips = _load(source, root, options)
    if emotions is None:
        return clips
    info = CORPORA.get(clips.name)
    conventions = info.conventions if info is not None else {}
    if isinstance(emotions, str):
        emotions = conventions.get(emotions) or [word for word in emotions.split(",") if word.strip()]
    return clips.choose(emotions)


def _load(source: Any, root: str | Path | None, options: dict[str, Any]) -> Clips:
    if isinstance(source, Clips):
        return source
    if isinstance(source, Dataset | DatasetDict):
        return _call(load_any_dataset, source, "dataset", options)
    if isinstance(source, pd.DataFrame):
        return _call(load_frame, source, "table", options)
    if not isinstance(source, str | Path):
        raise CorpusError(
            f"a corpus can't be made of {type(source).__name__}: give a name, a folder, a table's path, a"
            " datasets.Dataset or DatasetDict that is no stream, or a pandas.DataFrame"
        )
    for place in (source, root):
        if place is not None and not writable(place):
            raise CorpusError(f"corpus {legible(place)}: its name is not UTF-8; rename it")
    info = CORPORA.get(str(source))
    if info is not None:
        if info.needs_root and root is None:
            raise CorpusError(f"corpus {info.name} is not bundled: say where it lies, root= or --root PATH")
        return _call(
            info.load, Path(root) if info.needs_root and root is not None else None, info.name, options
        )
    path = Path(source)
    if path.is_dir():
        marks = {
            "db.yaml": load_audformat,
            "state.json": load_saved_dataset,
            "dataset_dict.json": load_saved_dataset,
        }
        load = next((load for mark, load in marks.items() if (path / mark).is_file()), load_folder)
        return _call(load, path, path.name, options)
    if path.is_file():
        return _call(load_table, path, path.stem, options)
    if isinstance(source, str) and _HUB.fullmatch(source):
        return _call(load_hub_dataset, source, source, options)
    known = ", ".join(CORPORA)
    raise CorpusError(f"unknown corpus {str(source)!r}, and no such file or folder; known corpora: {known}")


def _call(load: Callable[..., Clips], source: Any, name: str, options: dict[str, Any]) -> Clips:
    """Calls a loader, after its options were checked: a misspelled one is the user's, not a fault of ours."""
    signature = inspect.signature(load).parameters.values()
    known = [parameter.name for parameter in signature if parameter.kind is parameter.KEYWORD_ONLY]
    if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in signature):
        for option in options:
            if option not in known:
                raise CorpusError(
                    f"corpus {name}: unknown option {option!r}; it takes {', '.join(known) or 'none'}"
                )
    return load(**options) if source is None else load(source, **options)
