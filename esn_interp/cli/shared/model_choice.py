"""What every command that takes a model can be told about it."""

import logging
from dataclasses import dataclass, fields
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, ClassVar

import typer

import esn_interp as esn
from esn_interp.errors import ModelError
from esn_interp.models.precision import checked_precision


@dataclass(frozen=True, kw_only=True)
class ModelOptions:
    """What can be said of a model besides its name; what is not said is left to `esn_interp.load`."""

    TITLE: ClassVar = "Model"

    component: Annotated[
        str | None,
        typer.Option(
            "--component", metavar="C", help="The decoder whose gates are meant (see `esn models NAME`)."
        ),
    ] = None
    dtype: Annotated[
        str | None,
        typer.Option("--dtype", metavar="T", help="Precision, such as bfloat16; else the checkpoint's."),
    ] = None
    device_map: Annotated[
        str | None,
        typer.Option("--device-map", metavar="D", help="Where the weights go, such as auto or cuda:0."),
    ] = None
    system: Annotated[
        str | None,
        typer.Option("--system", metavar="TEXT", help="A system prompt, put before every question."),
    ] = None
    gates: Annotated[
        str | None,
        typer.Option(
            "--gates", metavar="PATH", help="Where gates are, if not found: model.layers[*].mlp.act_fn."
        ),
    ] = None
    trust_remote_code: Annotated[
        bool | None,
        typer.Option(
            "--trust-remote-code", help="Run the code that comes with the model; only if you trust it."
        ),
    ] = None

    allow_missing: Annotated[
        list[str] | None,
        typer.Option(
            "--allow-missing", metavar="W", help="A weight, or a pattern, that the checkpoint may lack; repeat."
        ),
    ] = None
    plan: Annotated[
        str | None,
        typer.Option(
            "--plan", metavar="P", help="How edits are carried out: auto, traced, or scaled (in the weights)."
        ),
    ] = None

    @property
    def given(self) -> dict[str, Any]:
        """The arguments of `esn_interp.load` that were given."""
        told = {field.name: getattr(self, field.name) for field in fields(ModelOptions)}
        return {name: value for name, value in told.items() if value is not None}

    def load(self, name: str, *, progress: bool, speaking: bool = False, **options: Any) -> "esn.AudioLM":
        """The model of that name; a misspelled one is refused before anything heavy is imported.

        ``progress`` shows a bar while the weights are read, which takes minutes where a model is large; ``speaking``
        reads those that only speech needs, too. Further ``options`` go before what was given.

        Raises
        ------
        ModelError
            When there is no such model.
        """
        bundled = sorted(
            path.name for path in (files("esn_interp") / "models" / "bundled").iterdir() if path.is_dir()
        )
        # Names on the hub have an owner before a slash; asking the hub for anything else would only take time.
        if name not in bundled and "/" not in name and not Path(name).is_dir():
            raise ModelError(
                f"unknown model {name!r}; bundled: {', '.join(bundled)}; else give a folder, or a Hugging Face "
                "name such as Qwen/Qwen2.5-Omni-7B"
            )
        if self.dtype is not None:
            checked_precision(self.dtype)
        # The hub's client tells of every retry; what matters comes back as one error.
        logging.getLogger("huggingface_hub").setLevel(logging.ERROR)

        from transformers.utils import logging as transformers_logging

        if progress and name not in bundled:
            transformers_logging.enable_progress_bar()
        else:
            transformers_logging.disable_progress_bar()
        return (esn.load_speaking if speaking else esn.load)(name, **(self.given | options))


@dataclass(frozen=True, kw_only=True)
class ModelChoice(ModelOptions):
    """A model by name, and what else is said of it."""

    model: Annotated[
        str, typer.Option("--model", metavar="M", help="A bundled model, a Hugging Face name or a folder.")
    ]

    def loaded(self, *, progress: bool, speaking: bool = False, **options: Any) -> "esn.AudioLM":
        """The model; see `load`."""
        return self.load(self.model, progress=progress, speaking=speaking, **options)
