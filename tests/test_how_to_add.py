"""The recipes of docs/how_to_add.md: what they name is there, and what they promise follows."""

import re
from pathlib import Path

import numpy as np
import pytest
import typer
from made_up_gates import heard_clips, statistics_of
from planted_demo import StudiedListener, studied_clips
from planted_listener import elsewhere

from esn_interp.analysis.selectors.measure import compare_selectors
from esn_interp.cli import app
from esn_interp.neurons import scores
from esn_interp.neurons.catalogue import SELECTORS, Selector, contenders
from esn_interp.neurons.rates import Rates
from esn_interp.neurons.resampling import select_alike
from esn_interp.neurons.selectors import select
from esn_interp.studies.conversion.config import ConversionConfig
from esn_interp.studies.recognition.config import RecognitionConfig
from esn_interp.tasks.collection import collect

REPOSITORY = Path(__file__).resolve().parents[1]
RECIPES = (REPOSITORY / "docs" / "how_to_add.md").read_text(encoding="utf-8")


def test_every_file_that_a_recipe_names_is_there():
    named = set(re.findall(r"`((?:esn_interp|tests|docs)/[\w/.]+)`", RECIPES))
    assert len(named) > 15
    standing = {name for name in named if "NAME" not in name}
    assert [name for name in sorted(standing) if not (REPOSITORY / name).exists()] == []
    for name in named - standing:
        assert (REPOSITORY / name.split("NAME")[0]).parent.is_dir(), name


@pytest.fixture
def rise(monkeypatch: pytest.MonkeyPatch) -> str:
    """The selector of the recipe, added as it says."""
    (code,) = re.findall(r"```python\n(.*?)```", RECIPES, flags=re.DOTALL)
    names = {"Rates": Rates, "Scores": scores.Scores}
    exec(re.sub(r"^   ", "", code, flags=re.MULTILINE), names)
    monkeypatch.setattr(scores, "rise", names["rise"], raising=False)
    monkeypatch.setitem(SELECTORS, "rise", Selector("mean above the lowest", "how far it rises", "rise"))
    return "rise"


def test_a_selector_that_is_registered_is_offered_everywhere(rise: str):
    stats = statistics_of(heard_clips(60), per_clip=True)
    esns = select(stats, rise, count=2)
    mean = stats.rates().mean
    best = np.argsort(-(mean - mean.min(axis=0)), axis=1, kind="stable")[:, :2]
    assert [esns.indices(emotion).tolist() for emotion in esns.emotions] == np.sort(best).tolist()
    assert select_alike(stats, esns).to_frame().equals(esns.to_frame())
    assert rise in contenders()
    plain = {"name": "mine", "models": ["toy-omni"], "corpora": ["toy-studio"]}
    for config in (RecognitionConfig, ConversionConfig):
        assert rise in config.model_validate(plain).selectors
        assert config.model_validate(plain | {"selectors": [rise]}).selectors == (rise,)


def test_a_comparison_tries_it_unless_told_otherwise(rise: str):
    clips = studied_clips()
    stats = elsewhere(collect(StudiedListener(), clips, progress=False))
    result = compare_selectors(StudiedListener(), clips.limit(25), stats, tops=[0.02], draws=1, progress=False)
    assert rise in result.selectors


def test_commands_name_every_selector():
    commands = typer.main.get_command(app).commands  # pyright: ignore[reportAttributeAccessIssue]
    options = {(name, option.name): option for name in ("select", "compare") for option in commands[name].params}
    assert all(name in options["select", "selector"].help for name in SELECTORS)
    assert options["compare", "selectors"].default.split(",") == list(contenders())
