"""Corpora by name, or from the user's own folder, table or dataset: `corpus("toy-studio")`."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datasets import Dataset

from esn_interp.errors import CorpusError
from esn_interp.speech.clips import Clips
from esn_interp.speech.corpora.emodb import load_emodb
from esn_interp.speech.corpora.folder import load_folder, load_table
from esn_interp.speech.corpora.toy import load_toy_phone, load_toy_studio


@dataclass(frozen=True)
class CorpusInfo:
    """What a corpus is and how to get it: `load(root, **options)`, without `root` where none is needed."""

    name: str
    title: str
    licence: str
    needs_root: bool
    description: str
    load: Callable[..., Clips]


_INFOS = (
    CorpusInfo(
        name="toy-studio",
        title="Synthesised emotional speech, studio",
        licence="CC0-1.0",
        needs_root=False,
        description="20 synthetic voices, 8 sentences, 5 emotions, 800 clips; clean, mostly acted out",
        load=load_toy_studio,
    ),
    CorpusInfo(
        name="toy-phone",
        title="Synthesised emotional speech, telephone",
        licence="CC0-1.0",
        needs_root=False,
        description="20 other voices, 8 other sentences, 5 emotions, 800 clips; telephone, mostly held back",
        load=load_toy_phone,
    ),
    CorpusInfo(
        name="emodb",
        title="Berlin Database of Emotional Speech (Burkhardt et al. 2005)",
        licence="CC0-1.0",
        needs_root=True,
        description="10 German actors, 10 sentences, 7 emotions, 535 clips",
        load=load_emodb,
    ),
)
CORPORA: dict[str, CorpusInfo] = {info.name: info for info in _INFOS}


def corpus(source: str | Path | Clips | Dataset, *, root: str | Path | None = None, **options: Any) -> Clips:
    """The clips of a corpus.

    `source` is a name from `CORPORA`; or a folder (with a metadata.csv, else one subfolder per emotion); or a
    .csv or .jsonl table; or a `datasets.Dataset` with the columns `audio` and `emotion`. `root` says where a
    corpus lies that is not bundled. Further options go to the corpus's own loader.

    Raises `CorpusError` when the name is unknown, `root` is missing, or the files are not what was expected.
    """
    if isinstance(source, Clips):
        return source
    if isinstance(source, Dataset):
        return Clips.from_dataset(source, name=str(options.get("name", "dataset")))
    info = CORPORA.get(str(source))
    if info is not None and not info.needs_root:
        return info.load(**options)
    if info is not None:
        if root is None:
            raise CorpusError(f"corpus {info.name} is not bundled: say where it lies, root= or --root PATH")
        return info.load(Path(root), **options)
    path = Path(source)
    if path.is_dir():
        return load_folder(path, **options)
    if path.is_file():
        return load_table(path, **options)
    known = ", ".join(CORPORA)
    raise CorpusError(f"unknown corpus {str(source)!r}, and no such file or folder; known corpora: {known}")
