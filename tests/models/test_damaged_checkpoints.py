"""The small files of a checkpoint, damaged in many ways: each is loaded all the same, or refused in a line."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from esn_interp.errors import EsnError, ModelError
from esn_interp.models import unloadable
from esn_interp.models.loading import load

FILES = ("config.json", "generation_config.json", "preprocessor_config.json", "tokenizer.json", "tokenizer_config.json")


def damages(whole: bytes) -> Iterator[tuple[str, bytes]]:
    yield from {
        "empty": b"",
        "an open brace": b"{",
        "a list": b"[]",
        "null": b"null",
        "a number": b"12",
        "a word": b'"word"',
        "no entries": b"{}",
        "deep": b"[" * 5000 + b"]" * 5000,
        "half": whole[: len(whole) // 2],
        "latin-1": whole[: len(whole) // 2] + b"\xe9\xff" + whole[len(whole) // 2 :],
    }.items()
    told = json.loads(whole)
    for entry in sorted(told)[:8]:
        for what, value in (("a word", "word"), ("deep lists", [[[]]])):
            yield f"{entry} {what}", json.dumps(told | {entry: value}).encode()


@pytest.mark.filterwarnings("ignore")  # of what transformers reads into it
@pytest.mark.parametrize("name", FILES)
def test_a_damaged_small_file_is_loaded_or_refused_in_a_line(tiny_folder: Path, tmp_path: Path, name: str):
    folder = shutil.copytree(tiny_folder, tmp_path / "model")
    whole = (folder / name).read_bytes()
    refused, wrong = 0, {}
    for what, content in damages(whole):
        (folder / name).write_bytes(content)
        try:
            load(folder)
        except EsnError as error:
            refused += 1
            if "\n" in str(error) or str(folder) not in str(error):
                wrong[what] = str(error)
        except Exception as error:
            wrong[what] = repr(error)
    assert wrong == {}
    assert refused >= 3


def test_what_our_own_code_runs_into_is_not_put_on_the_checkpoint(tiny_folder: Path, monkeypatch: pytest.MonkeyPatch):

    def broken(self, *given, **options):
        return {}["no such entry"]

    monkeypatch.setattr("esn_interp.models.families.qwen2_5_omni.load_whole", broken)
    with pytest.raises(ModelError, match=r"a file of it is damaged.*KeyError"):
        load(tiny_folder)  # raised by a stranger: this file
    ours = compile("{}['no such entry']", str(unloadable.__file__), "exec")
    monkeypatch.setattr("esn_interp.models.families.qwen2_5_omni.load_whole", lambda *given, **options: exec(ours))
    with pytest.raises(KeyError):
        load(tiny_folder)
