"""What a command may write on, file by file: nobody's, or its own; and what only looks like an input."""

import os
from pathlib import Path

import pytest

from esn_interp.cli.shared.outputs import (
    guarded,
    in_folder,
    out_file,
    out_folder,
    out_page,
    out_result,
    own_file,
)
from esn_interp.errors import EsnError
from esn_interp.speech import identity


def test_outside_of_a_command_suffix_and_way_are_checked_and_nothing_is_claimed(tmp_path: Path):
    (tmp_path / "x.json").write_text("mine", encoding="utf-8")
    (tmp_path / "page.html").write_text("mine", encoding="utf-8")
    out_file(tmp_path / "x.json", ".json")
    out_folder(tmp_path, marks=lambda path: False, what="a study")
    out_page(tmp_path / "page.html")
    out_file(None, ".json")
    with pytest.raises(EsnError, match=r"the file is a \.json file; call it x\.json"):
        out_result(tmp_path / "x.csv")
    with pytest.raises(EsnError, match=r"x\.json is a file, not a folder"):
        in_folder(tmp_path / "x.json" / "y")
    in_folder(Path("/"))  # which is there


def test_an_empty_file_is_nobodys_and_what_is_no_file_is_not_ours(tmp_path: Path):
    (tmp_path / "empty.json").touch()
    os.mkfifo(tmp_path / "pipe.json")
    with guarded({}):
        out_file(tmp_path / "empty.json", ".json")
        with pytest.raises(EsnError, match="there is a file already, not one that esn wrote"):
            out_file(tmp_path / "pipe.json", ".json")


def test_a_page_is_ours_when_it_says_so(tmp_path: Path):
    page = tmp_path / "report.html"
    with guarded({}):
        page.write_text("<p>made by esn_interp 0.1</p>", encoding="utf-8")
        out_page(page)
        for content in (b"<p>my own</p>", b"\xff\xfe\x00 no text"):
            page.write_bytes(content)
            with pytest.raises(EsnError, match=r"report\.html: there is a page already, not one that esn wrote"):
                out_page(page)
    with guarded({"overwrite": True}):
        out_page(page)


def test_a_file_on_the_way_is_kept_unless_it_is_of_its_kind(tmp_path: Path):
    (tmp_path / "x.partial.safetensors").write_bytes(b"mine")
    with pytest.raises(EsnError, match="no collection checkpoint of esn, where one is to be kept; move it away"):
        own_file(tmp_path / "x.partial.safetensors", "collection checkpoint")
    own_file(tmp_path / "other.partial.safetensors", "collection checkpoint")


def test_a_word_that_can_be_no_file_is_no_input(tmp_path: Path):
    out = tmp_path / "x.json"
    with guarded({"corpus": "a\0b", "question": "x" * 5000, "out": out}):
        out_file(out, ".json")


def test_times_are_trusted_within_a_command_that_is_told_so():
    assert not identity._trusting.get()
    with guarded({"trust_mtime": True}):
        assert identity._trusting.get()
    with guarded({"trust_mtime": False}):
        assert not identity._trusting.get()
