"""Any `datasets.Dataset` with an Audio column: in memory, saved to disk, a parquet file, or on the hub."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from datasets import Dataset, DatasetDict, concatenate_datasets, load_dataset, load_from_disk
from platformdirs import user_cache_dir

from esn_interp.errors import CorpusError, first_line
from esn_interp.speech.clips import Clips
from esn_interp.speech.labels import labels_met
from esn_interp.speech.schema import COLUMNS, named_values
from esn_interp.speech.spelling import in_one_form, one_form


def load_any_dataset(
    dataset: Dataset | DatasetDict,
    *,
    name: str = "dataset",
    part: str | None = None,
    labels: Mapping[str, str] | None = None,
    **columns: str,
) -> Clips:
    """Clips from a dataset with a column `audio` and one `emotion`, or with others named by `columns`.

    Of several parts (train, test) `part` takes one; else all are taken, and the extras tell which, unless they have a
    column `part` of their own. Labels of
    a `ClassLabel` column go by their names. `labels` says which emotion a label stands for.
    """
    whole = _one(dataset, part, name)
    renamed = named_columns(columns, whole.column_names, name)
    there = {*whole.column_names, *renamed.values()}
    if missing := [column for column in ("audio", "emotion") if column not in there]:
        found = ", ".join(whole.column_names) or "none"
        raise CorpusError(
            f"corpus {name}: column {missing[0]!r} is missing; found {found}; name another by "
            f"{missing[0]}=COLUMN"
        )
    whole = whole.rename_columns(renamed)
    if labels:
        table = in_one_form(labels)
        raw = ["" if value is None else one_form(str(value)) for value in named_values(whole, "emotion")]
        unmet = labels_met(labels, raw, name=name)
        mapped = np.array([table.get(value, value) for value in raw], str)
        whole = whole.remove_columns("emotion").add_column("emotion", mapped)
        return Clips.from_dataset(whole, name=name).noted(unmet)
    return Clips.from_dataset(whole, name=name)


def load_saved_dataset(root: Path, *, name: str | None = None, **options: Any) -> Clips:
    """Clips from a folder that `save_to_disk` wrote; its audio stays there, and is not copied."""
    name = name or root.resolve().name
    try:
        dataset = load_from_disk(str(root))
    except Exception as error:  # its readers fail on damaged files with whatever they run into
        raise CorpusError(f"corpus {name}: {root} cannot be read as a saved dataset ({first_line(error)})") from error
    return load_any_dataset(dataset, name=name, **options)


def load_dataset_file(path: Path, *, name: str, **options: Any) -> Clips:
    """Clips from a .parquet file that holds the audio itself, as the hub has it."""
    cache = str(Path(user_cache_dir("esn_interp")) / "datasets")
    try:
        dataset = load_dataset("parquet", data_files=str(path), split="train", cache_dir=cache)
    except Exception as error:  # some of them errors of its own, of no kind
        raise CorpusError(f"corpus {name}: {path} cannot be read as a table ({first_line(error)})") from error
    assert isinstance(dataset, Dataset)
    return load_any_dataset(dataset, name=name, **options)


def load_hub_dataset(
    repository: str, *, config: str | None = None, name: str | None = None, **options: Any
) -> Clips:
    """Clips from a dataset on the Hugging Face hub, such as "owner/corpus"."""
    try:
        dataset: Any = load_dataset(repository, config)
    except Exception as error:  # the hub's client raises what its network libraries do, of all kinds
        raise CorpusError(
            f"corpus {repository}: there is no such file or folder, and it could not be had from the hub"
            f" ({first_line(error)})"
        ) from error
    return load_any_dataset(dataset, name=name or repository.split("/")[-1], **options)


def named_columns(columns: Mapping[str, str], found: Sequence[str], name: str) -> dict[str, str]:
    """What is to be renamed to what, for columns that the user named.

    Raises
    ------
    CorpusError
        When an option is no column of ours, or names a column that is not there.
    """
    renamed: dict[str, str] = {}
    for ours, theirs in columns.items():
        if ours not in COLUMNS:
            raise CorpusError(f"corpus {name}: unknown option {ours!r}; columns are {', '.join(COLUMNS)}")
        if theirs not in found:
            raise CorpusError(
                f"corpus {name}: there is no column {theirs!r} to take {ours} from; found {', '.join(found)}"
            )
        if theirs != ours:
            renamed[theirs] = ours
    if clash := [ours for ours in renamed.values() if ours in found and ours not in renamed]:
        # The column that has the name already would be there twice; the user's word counts.
        raise CorpusError(
            f"corpus {name}: column {clash[0]!r} is there already, and {columns[clash[0]]!r} is to be called so; "
            "rename or drop one of them"
        )
    return renamed


def relabelled(frame: pd.DataFrame, labels: Mapping[str, str] | None, *, name: str) -> Clips:
    """Clips of a table with its emotions called as the user says; labels without an entry stay as they are."""
    if not labels:
        return Clips.from_frame(frame, name=name)
    unmet, table = labels_met(labels, frame["emotion"], name=name), in_one_form(labels)
    frame = frame.assign(emotion=frame["emotion"].map(lambda value: table.get(one_form(str(value)), value)))
    return Clips.from_frame(frame, name=name).noted(unmet)


def _one(dataset: Dataset | DatasetDict, part: str | None, name: str) -> Dataset:
    if isinstance(dataset, Dataset):
        return dataset
    parts = {str(key): value for key, value in dataset.items()}
    if part is not None:
        if part not in parts:
            raise CorpusError(f"corpus {name}: there is no part {part!r}; there are {', '.join(parts)}")
        return parts[part]
    told = [
        value if "part" in value.column_names else value.add_column("part", [key] * len(value))
        for key, value in parts.items()
    ]
    try:
        return concatenate_datasets(told)
    except (ValueError, TypeError) as error:  # columns of one name and different kinds
        raise CorpusError(
            f"corpus {name}: its parts {', '.join(parts)} don't go together ({first_line(error)}); take one, part=NAME"
        ) from error
