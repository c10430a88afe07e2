"""Files: whole or not at all, and refused with one clear line when they are something else."""

import errno
import json
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from safetensors.numpy import save_file

from esn_interp import files
from esn_interp.errors import EsnError
from esn_interp.files import (
    clean,
    load_tensors,
    locked,
    making_of,
    read_json,
    save_tensors,
    together,
    write_atomic,
    write_json,
    write_text,
)

DTYPES = [np.int32, np.int64, np.float32, np.float64, np.bool_]


def one_line(error: pytest.ExceptionInfo[EsnError], *parts: object) -> None:
    message = str(error.value)
    assert "\n" not in message
    for part in parts:
        assert str(part) in message


def test_a_failing_writer_leaves_the_old_file_and_nothing_else(tmp_path: Path):
    target = tmp_path / "result.json"
    target.write_text("old")

    def half(file: Path) -> None:
        file.write_text("ne")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_atomic(target, half)
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_writer_gets_a_file_beside_the_target_with_its_suffix(tmp_path: Path):
    target, seen = tmp_path / "deep" / "er" / "figure.png", []

    def write(file: Path) -> None:
        seen.append(file)
        file.write_bytes(b"png")

    write_atomic(target, write)
    assert target.read_bytes() == b"png"
    assert seen[0].parent == target.parent
    assert seen[0].suffix == ".png"
    assert list(target.parent.iterdir()) == [target]


def test_a_written_file_can_be_read_by_others_as_any_file(tmp_path: Path):
    (tmp_path / "plain").write_text("x")
    write_json(tmp_path / "ours.json", {"kind": "x", "version": 1})
    save_tensors(tmp_path / "ours.safetensors", {"a": np.zeros(2)}, {"kind": "x", "version": 1})
    assert len({file.stat().st_mode for file in tmp_path.iterdir()}) == 1


def test_a_folder_is_no_target(tmp_path: Path):
    with pytest.raises(EsnError) as error:
        write_json(tmp_path, {})
    one_line(error, tmp_path, "folder")


def test_json_round_trip(tmp_path: Path):
    content = {"kind": "dose", "version": 3, "emotion": "fröhlich", "rates": [0.1, None]}
    write_json(tmp_path / "a.json", content)
    assert read_json(tmp_path / "a.json", kind="dose", version=3) == content


def test_json_without_a_number_for_not_a_number(tmp_path: Path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "a.json", {"rate": float("nan")})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("RIFF....", "not a JSON file"),
        ("[1, 2]", "expected a JSON object, found a list"),
        (json.dumps({"kind": "ablation", "version": 1}), "kind 'ablation', expected 'dose'"),
        (json.dumps({"version": 1}), "kind None, expected 'dose'"),
        (json.dumps({"kind": "dose", "version": 2}), "version 2 of 'dose', this esn_interp reads version 1"),
    ],
)
def test_other_json_is_refused(tmp_path: Path, text: str, part: str):
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(EsnError) as error:
        read_json(path, kind="dose", version=1)
    one_line(error, path, part)


@pytest.mark.parametrize("read", [read_json, load_tensors])
def test_missing_files_and_folders_are_named(tmp_path: Path, read):
    for path, part in ((tmp_path / "none", "no such file"), (tmp_path, "folder")):
        with pytest.raises(EsnError) as error:
            read(path, kind="x", version=1)
        one_line(error, path, part)


@given(st.data())
@settings(deadline=None, max_examples=50)
def test_tensors_round_trip_to_the_bit(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject):
    shapes = array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=4)
    one = st.sampled_from(DTYPES).flatmap(lambda dtype: arrays(dtype, shapes))
    given_arrays = data.draw(st.dictionaries(st.text("abc/", min_size=1, max_size=6), one, max_size=4))
    path = tmp_path_factory.mktemp("tensors") / "a.safetensors"
    header = {"kind": "x", "version": 1, "emotions": ["sad", "wütend"]}
    save_tensors(path, given_arrays, header)
    loaded, found = load_tensors(path, kind="x", version=1)
    assert found == header
    assert loaded.keys() == given_arrays.keys()
    for name, array in given_arrays.items():
        assert loaded[name].dtype == array.dtype
        assert loaded[name].shape == array.shape
        assert loaded[name].tobytes() == array.tobytes()


def test_views_are_saved_as_they_read(tmp_path: Path):
    table = np.arange(12.0).reshape(3, 4)
    save_tensors(tmp_path / "a", {"columns": table[:, 1:3], "turned": table.T}, {"kind": "x", "version": 1})
    loaded, _ = load_tensors(tmp_path / "a", kind="x", version=1)
    np.testing.assert_array_equal(loaded["columns"], table[:, 1:3])
    np.testing.assert_array_equal(loaded["turned"], table.T)


def test_foreign_and_broken_tensor_files_are_refused(tmp_path: Path):
    save_tensors(tmp_path / "ours", {"a": np.ones(100)}, {"kind": "neurons", "version": 1})
    whole = (tmp_path / "ours").read_bytes()
    (tmp_path / "short").write_bytes(whole[:-8])
    (tmp_path / "text").write_text("not tensors at all, but long enough to hold a length")
    (tmp_path / "empty").write_bytes(b"")
    save_file({"a": np.ones(1)}, tmp_path / "foreign")
    save_file({"a": np.ones(1)}, tmp_path / "garbled", metadata={"esn": "{kind"})
    for name, part in {
        "short": "cut short",
        "text": "not a safetensors file",
        "empty": "not a safetensors file",
        "garbled": "not a safetensors file of ours",
        "foreign": "not written by esn_interp",
        "ours": "kind 'neurons', expected 'statistics'",
    }.items():
        with pytest.raises(EsnError) as error:
            load_tensors(tmp_path / name, kind="statistics", version=1)
        one_line(error, tmp_path / name, part)


def test_a_byte_that_changed_on_the_way_is_found_by_the_checksum(tmp_path: Path):
    path = tmp_path / "a.safetensors"
    save_tensors(path, {"sums": np.arange(100.0), "counts": np.arange(3)}, {"kind": "x", "version": 1, "seed": 12345})
    whole = path.read_bytes()
    for old, new in ((np.float64(57).tobytes(), np.float64(58).tobytes()), (b"12345", b"12346")):
        assert whole.count(old) == 1
        path.write_bytes(whole.replace(old, new))
        with pytest.raises(EsnError) as error:
            load_tensors(path, kind="x", version=1)
        one_line(error, path, "damaged: not what was written, by its checksum")
    path.write_bytes(whole)
    assert load_tensors(path, kind="x", version=1)[1]["seed"] == 12345


def test_files_of_earlier_releases_have_no_checksum_and_are_read(tmp_path: Path):
    path = tmp_path / "a.safetensors"
    save_file({"a": np.ones(2)}, path, metadata={"esn": json.dumps({"kind": "x", "version": 1})})
    assert load_tensors(path, kind="x", version=1)[0]["a"].tolist() == [1, 1]


# ---------------------------------------------------------------- disks


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EDQUOT])
@pytest.mark.parametrize("at", ["open", "write", "flush", "rename"])
@pytest.mark.parametrize("old", [True, False])
def test_what_a_disk_refuses_is_told_with_the_file_and_the_old_one_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, at: str, old: bool
):
    target = tmp_path / "r.json"
    if old:
        target.write_text("old")

    def refuse(*given, **more):
        raise OSError(code, os.strerror(code))

    with monkeypatch.context() as patch:
        if at == "open":
            patch.setattr(Path, "touch", refuse)
        elif at == "flush":
            patch.setattr(os, "fsync", refuse)
        elif at == "rename":
            patch.setattr(Path, "replace", refuse)
        with pytest.raises(EsnError) as error:
            write_atomic(target, refuse if at == "write" else lambda file: file.write_text("new"))
    one_line(error, target, "can't be written", os.strerror(code))
    assert ("the file that was there is as it was" in str(error.value)) == old
    assert [path.read_text() for path in tmp_path.iterdir()] == ["old"] * old


def test_a_name_that_no_disk_takes_is_told(tmp_path: Path):
    for target in (tmp_path / ("x" * 300 + ".json"), tmp_path / ("y" * 300) / "a.json"):
        with pytest.raises(EsnError) as error:
            write_text(target, "new")
        one_line(error, "can't be written", "File name too long")
    longest = tmp_path / ("z" * 250 + ".json")  # as long as a disk takes: the temporary one is short
    write_text(longest, "new")
    assert list(tmp_path.iterdir()) == [longest]


def test_a_file_on_the_way_is_told(tmp_path: Path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(EsnError, match=r"can't be written: (Not a directory|File exists)"):
        write_text(tmp_path / "file" / "a.json", "new")
    assert (tmp_path / "file").read_text() == "mine"


# ---------------------------------------------------------------- several files, runs that died, runs side by side


def test_files_appear_together_at_the_end(tmp_path: Path):
    one, other = tmp_path / "r.json", tmp_path / "deep" / "r.html"
    one.write_text("old")
    with together():
        write_text(one, "result")
        write_text(other, "figure")
        assert one.read_text() == "old"
        assert not other.exists()
    assert (one.read_text(), other.read_text()) == ("result", "figure")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["deep", "r.html", "r.json"]


@pytest.mark.parametrize("error", [EsnError("full"), KeyboardInterrupt(), ZeroDivisionError()])
def test_or_none_of_them_does(tmp_path: Path, error: BaseException):
    one = tmp_path / "r.json"
    one.write_text("old")
    def write() -> None:
        with together():
            write_text(one, "result")
            write_text(tmp_path / "r.html", "figure")
            raise error

    with pytest.raises(type(error)):
        write()
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"r.json": "old"}


def test_what_a_dead_run_left_of_a_file_is_taken_away_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def interrupt(file: Path) -> None:
        raise KeyboardInterrupt

    def left(name: str) -> Path:
        """What is there when a run dies while it writes."""
        with monkeypatch.context() as patch:
            patch.setattr(Path, "unlink", lambda self, missing_ok=False: None)
            with pytest.raises(KeyboardInterrupt):
                write_atomic(tmp_path / name, interrupt)
        (found,) = (path for path in tmp_path.rglob(".esn-*") if path not in known)
        known.add(found)
        return found

    known: set[Path] = set()
    ours, other, within = left("r.json"), left("other.json"), left("stages/a.json")
    folder = making_of(tmp_path / "r.json")
    folder.mkdir()
    (folder / "part").write_text("x")
    mine = tmp_path / ".esn-notes.json"
    mine.write_text("mine")
    clean(tmp_path / "r.json")
    assert not ours.exists()
    assert not folder.exists()
    assert other.exists()
    assert within.exists()
    clean(tmp_path)
    assert sorted(path.name for path in tmp_path.rglob("*")) == [mine.name, "stages"]


def test_a_place_is_held_once_and_by_the_same_run_as_often_as_it_likes(tmp_path: Path):
    out = tmp_path / "out"
    with locked(out), locked(tmp_path / "x" / ".." / "out"), locked(tmp_path / "another"):
        token = files._ours.set(frozenset())  # as another run would find it
        try:
            other = rf"another run is writing it \(process {os.getpid()}\); wait for it"
            with pytest.raises(EsnError, match=other), locked(out):
                pass
        finally:
            files._ours.reset(token)
    with locked(out):
        assert not out.exists()
