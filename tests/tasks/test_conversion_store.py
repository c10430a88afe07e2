"""Conversions that are stored: what a killed run goes on from, and what a stored run goes by."""

import io
import json
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from puppet_model import SILENT, Puppet, convert, said, sources, tone

from esn_interp.errors import EsnError
from esn_interp.models.conversion import ConversionPrompt
from esn_interp.models.edits import Edit
from esn_interp.models.families.manner import Manner
from esn_interp.models.families.spoken import Spoken
from esn_interp.neurons.origin import Origin
from esn_interp.neurons.per_clip import PerClip
from esn_interp.tasks.conversion_store import _stem  # pyright: ignore[reportPrivateUsage]


class Killed(Exception):
    pass


def killed(request: str, seed: int) -> Spoken:
    raise Killed


def differing(request: str, seed: int) -> Spoken:
    if seed % 5 == 0:
        return said("", waveform=SILENT, codes=None, words=0)
    return said(f"the cat {seed}", waveform=tone(height=seed / 2**48), codes=np.arange(2 + seed % 7))


def same_gates(one: PerClip | None, other: PerClip | None) -> bool:
    if one is None or other is None:
        return one is other
    return one.ids == other.ids and all(np.array_equal(one.sums[name], other.sums[name]) for name in one.sums)


def test_a_run_that_was_killed_goes_on_to_the_same(tmp_path):
    whole = convert(Puppet(differing), gates=True, batch_size=2)
    lm = Puppet(differing)

    lm.table = lambda request, seed: (differing if len(lm.batches) < 3 else killed)(request, seed)
    with pytest.raises(Killed):
        convert(lm, gates=True, batch_size=2, store=tmp_path / "run")
    lines = tmp_path / "run" / "conversions.jsonl"
    lines.write_text(lines.read_text() + '{"clip": "neutral1", "targ')  # the power failed while it was written
    again = Puppet(differing)
    run = convert(again, gates=True, batch_size=1, store=tmp_path / "run", resume=True)
    assert again.batches == [1, 1]
    assert [json.loads(line)["clip"] for line in lines.read_text().splitlines()][-2:] == ["happy0", "happy1"]
    third = convert(Puppet(), gates=True, store=tmp_path / "run", resume=True)
    for other in (run, third):
        for one, two in zip(whole.conversions, other.conversions, strict=True):
            told = [{**vars(each), "waveform": None, "codes": None} for each in (one, two)]
            assert told[0] == told[1]
            np.testing.assert_array_equal(one.waveform, two.waveform)
            assert np.array_equal(one.codes, two.codes)
        assert other.reductions is not None
        assert whole.reductions is not None
        assert len(other.reductions) == len(whole.reductions) == 6
        assert all(same_gates(*pair) for pair in zip(whole.reductions, other.reductions, strict=True))


def test_a_store_is_not_mixed_with_other_conversions(tmp_path):
    convert(Puppet(), store=tmp_path)
    with pytest.raises(EsnError, match="holds conversions already; resume them"):
        convert(Puppet(), store=tmp_path)
    edits = [Edit(0, np.array([1]), gain=2.0)]
    for name, options in {
        "seed": {"seed": 3},
        "edits": {"edits_for": lambda target: edits},
        "manner": {"manner": Manner("Ben")},
        "prompt": {"prompt": ConversionPrompt("Say it.")},
    }.items():
        with pytest.raises(EsnError, match=f"with other {name} "):
            convert(Puppet(), store=tmp_path, resume=True, **options)
    steered = Puppet()
    steered.standing = tuple(edits)
    with pytest.raises(EsnError, match="with other edits "):
        convert(steered, store=tmp_path, resume=True)
    with pytest.raises(Killed):
        convert(Puppet(killed), store=tmp_path / "none")
    assert len(convert(Puppet(), store=tmp_path / "none", seed=1)) == 6, "nothing was kept, so nothing is in the way"
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").write_text("mine")
    with pytest.raises(EsnError, match="holds other files"):
        convert(Puppet(), store=tmp_path / "other")


def test_names_decide_nothing_where_weights_and_clips_are_the_same(tmp_path):
    whole = convert(Puppet(), store=tmp_path)
    renamed = Puppet()
    renamed.name = "mine"
    again = convert(renamed, store=tmp_path, resume=True)
    assert not renamed.batches, "all of it was there"
    assert [one.id for one in again.conversions] == [one.id for one in whole.conversions]


def edits_key(edit: Edit) -> str:
    return convert(Puppet(), sources("neutral"), ["sad"], edits_for=lambda target: [edit]).settings["edits"]


def test_whatever_an_edit_says_is_in_the_key_that_a_stored_run_goes_by():
    plain: dict[str, Any] = {"layer": 0, "neurons": np.array([0, 2]), "gain": 2.0}
    changes = {
        "layer": 1, "neurons": np.array([0, 1]), "gain": 3.0, "shift": 1.0, "floor": 0.0,
        "positions": frozenset({"audio"}), "site": "gated", "along": np.array([1.0, 0.5]),
    }  # fmt: skip
    deeds = [field.name for field in fields(Edit) if field.compare]
    assert deeds == list(changes), "a new field needs a change here"
    keys = {edits_key(Edit(**plain | {"neurons": np.array([0, 1])}))}
    keys |= {edits_key(Edit(**plain | {name: change})) for name, change in changes.items() if name != "neurons"}
    assert len(keys) == len(changes)

    @dataclass(frozen=True, eq=False)
    class Bent(Edit):
        """An edit of the future, which says more."""

        bend: float = 0.0

    assert edits_key(Bent(**plain, bend=1.0)) != edits_key(Bent(**plain, bend=2.0))
    assert edits_key(Edit(**plain, whose=Origin.of(Puppet()))) == edits_key(Edit(**plain)), "it does the same"


def test_keys_are_those_of_runs_that_were_stored_by_earlier_releases():
    scopes = frozenset({"last", "audio"})
    edit = Edit(1, np.array([0, 2]), gain=2.0, floor=np.array([0.1, 0.2]), positions=scopes)
    puppet = Puppet()
    puppet.standing = (Edit(0, np.array([1]), gain=0.0, shift=3),)
    run = convert(puppet, targets=("sad", "happy"), edits_for=lambda target: [edit] if target == "sad" else [])
    assert run.settings["edits"] == "c33b37454875bc12"


SEPARATORS = "one\u2028two\u2029three\u0085four\u000bfive\x1csix"


def talking(request: str, seed: int) -> Spoken:
    return said(SEPARATORS)


def test_a_text_may_hold_what_separates_lines_elsewhere(tmp_path):
    whole = convert(Puppet(talking), store=tmp_path)
    again = Puppet(talking)
    run = convert(again, store=tmp_path, resume=True)
    assert again.batches == []
    assert {one.text for one in run.conversions} == {one.text for one in whole.conversions}


@pytest.mark.parametrize("line", ["junk", "[1]", "3", '{"clip": "x"}', "null"])
def test_a_line_that_is_no_conversion_is_named(tmp_path, line):
    convert(Puppet(), store=tmp_path)
    lines = tmp_path / "conversions.jsonl"
    number = len(lines.read_text(encoding="utf-8").split("\n"))
    with lines.open("a", encoding="utf-8") as file:
        file.write(line + "\n")
    with pytest.raises(EsnError, match=rf"conversions.jsonl, line {number}: this is no conversion"):
        convert(Puppet(), store=tmp_path, resume=True)


def test_a_file_of_another_folder_is_not_read(tmp_path):
    convert(Puppet(), store=tmp_path / "run")
    lines = tmp_path / "run" / "conversions.jsonl"
    told = json.loads(lines.read_text(encoding="utf-8").split("\n")[0]) | {"file": "../secret.wav"}
    lines.write_text(json.dumps(told) + "\n", encoding="utf-8")
    with pytest.raises(EsnError, match=r"line 1: this is no conversion .*'\.\./secret\.wav' is not a file of"):
        convert(Puppet(), store=tmp_path / "run", resume=True)


@pytest.mark.parametrize("left", [0, 20, 60, -8])
def test_a_sound_that_was_cut_off_is_made_anew(tmp_path, left):
    whole = convert(Puppet(), store=tmp_path)
    path = next(iter(sorted(tmp_path.glob("*.wav"))))
    content = path.read_bytes()
    path.write_bytes(content[:left])
    again = Puppet()
    run = convert(again, store=tmp_path, resume=True)
    assert again.batches == [1]
    np.testing.assert_array_equal(*(soundfile.read(sound)[0] for sound in (path, io.BytesIO(content))))
    assert len(run.conversions) == len(whole.conversions)


@given(st.text(max_size=300), st.sampled_from(["angry", "verängstigt", "怒り" * 40]))
def test_names_of_files_fit_on_any_disk(clip, target):
    stem = _stem(clip, target)
    assert len(f".{stem}-01234567.safetensors".encode()) <= 255
    assert "/" not in stem
    assert "\0" not in stem
    assert stem != _stem(clip + "x", target)
