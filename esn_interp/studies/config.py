"""A whole study as one file: what is studied, with which settings; read with errors that name the line."""

from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from esn_interp.errors import EsnError
from esn_interp.neurons.catalogue import SELECTORS, contenders
from esn_interp.neurons.layout import ANSWERING
from esn_interp.tasks.protocols import Protocol
from esn_interp.tasks.protocols import protocol as protocol_of

Fraction = Annotated[float, Field(gt=0, le=1)]
Gain = Annotated[float, Field(ge=-1)]


class _Strict(BaseModel):
    """A part of a config: an unknown key is a mistake, not an extension."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ModelSpec(_Strict):
    """A model to study; written as a name alone, or with the options of `esn_interp.load`."""

    model: str
    name: str = ""
    component: str = "thinker"
    dtype: str | None = None
    device_map: str | None = None
    attn_implementation: str | None = None
    trust_remote_code: bool = False
    gates: str | None = None
    system: str | None = None

    @property
    def title(self) -> str:
        """What the model is called in the study."""
        return self.name or self.model.rstrip("/").rpartition("/")[2]

    def options(self) -> dict[str, Any]:
        """The keyword arguments of `esn_interp.load`."""
        return self.model_dump(exclude={"model", "name"}, exclude_defaults=True)


class CorpusSpec(_Strict):
    """A corpus to study; written as a name alone, or with its place and what is taken of it.

    ``emotions`` are the classes, or a convention that the corpus knows by name, such as ``4-class``. ``options`` go to
    the corpus itself, ``split`` to `Clips.split`. ``filter`` is the success filter of the
    selection: ``correct``, or ``none`` for a model that gets too few clips of the corpus right.
    """

    corpus: str
    name: str = ""
    root: Path | None = None
    emotions: tuple[str, ...] | str | None = None
    limit: Annotated[int, Field(ge=1)] | None = None
    filter: Literal["correct", "none"] = "correct"
    split: dict[str, Any] = {}
    options: dict[str, Any] = {}

    @property
    def title(self) -> str:
        """What the corpus is called in the study."""
        return self.name or self.corpus


class StudyConfig(_Strict):
    """What every kind of study says: each model on each corpus, under each seed.

    The ``protocol`` is ``ours``, ``authors`` or a file of that form: what it tells stands, unless the config says
    otherwise. Subclasses name the configs of their kind that come with the package, and the stages that they can do.
    """

    ready: ClassVar[tuple[str, ...]] = ()
    stages: tuple[str, ...] = ()

    name: str
    models: Annotated[tuple[ModelSpec, ...], Field(min_length=1)]
    corpora: Annotated[tuple[CorpusSpec, ...], Field(min_length=1)]
    emotions: tuple[str, ...] | str | None = None
    protocol: str = "ours"
    selectors: Annotated[tuple[str, ...], Field(min_length=1, default_factory=contenders)]
    tops: Annotated[tuple[Fraction, ...], Field(min_length=1)] = (0.005, 0.01, 0.02, 0.05)
    scope: str = ANSWERING
    alphas: Annotated[tuple[Gain, ...], Field(min_length=1)] = (0.0, 0.5, 1.0, 2.0, 4.0)
    seeds: Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(min_length=1)] = (0,)

    @model_validator(mode="before")
    @classmethod
    def _of_protocol(cls, content: Any) -> Any:
        """What the config does not say is as its protocol has it."""
        if not isinstance(content, dict) or content.get("protocol", "ours") == "ours":
            return content
        try:
            told = cls.told_by(protocol_of(content["protocol"]))
        except EsnError as error:
            raise ValueError(str(error)) from None
        return told | content

    @classmethod
    def told_by(cls, protocol: Protocol) -> dict[str, Any]:
        """The settings of such a study that a protocol tells."""
        return {name: getattr(protocol, name) for name in ("selectors", "tops", "alphas", "draws")}

    @property
    def how(self) -> Protocol:
        """The protocol."""
        return protocol_of(self.protocol)

    @field_validator("models", mode="before")
    @classmethod
    def _model_names(cls, value: Any) -> Any:
        return _spelled_out(value, "model")

    @field_validator("corpora", mode="before")
    @classmethod
    def _corpus_names(cls, value: Any) -> Any:
        return _spelled_out(value, "corpus")

    @field_validator("selectors")
    @classmethod
    def _known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for name in value:
            if name not in SELECTORS:
                raise ValueError(f"unknown selector {name!r}; choose from {', '.join(SELECTORS)}")
        return value

    @model_validator(mode="after")
    def _apart(self) -> "StudyConfig":
        for what, titles in (
            ("models", [model.title for model in self.models]),
            ("corpora", [corpus.title for corpus in self.corpora]),
        ):
            if twice := sorted({title for title in titles if titles.count(title) > 1}):
                raise ValueError(f"two {what} are called {twice[0]!r}; give one of them another name")
        return self

    def does(self, stage: str) -> bool:
        """Whether a stage is asked for."""
        return stage in self.stages

    def changed(self: "AnyConfig", **changed: Any) -> "AnyConfig":
        """The same study with other settings, checked anew.

        Raises
        ------
        EsnError
            When a setting is no good, or there is no such setting.
        """
        kind = type(self)
        if unknown := sorted(set(changed) - set(kind.model_fields)):
            raise EsnError(f"such a study has no setting {unknown[0]!r}; see {kind.__name__} for those that it has")
        settings = self.model_dump()
        if changed.get("protocol", self.protocol) != self.protocol:  # another one tells what it tells
            settings = {name: value for name, value in settings.items() if name not in kind.told_by(self.how)}
        try:
            return kind.model_validate(settings | changed)
        except ValueError as error:
            raise EsnError(f"the settings of the study: {' '.join(str(error).split())}") from None


AnyConfig = TypeVar("AnyConfig", bound=StudyConfig)


def ready_configs(kind: type[StudyConfig]) -> dict[str, Path]:
    """The configs of a kind of study that come with the package, by name."""
    folder = Path(str(files("esn_interp") / "studies" / "configs"))
    return {name: folder / f"{name}.yaml" for name in kind.ready}


def load_config(
    path: str | Path,
    *,
    kind: type[AnyConfig],
    roots: Mapping[str, Path] | None = None,
) -> AnyConfig:
    """Read and check a config: a file, or the name of one that comes with the package.

    Paths in it are relative to its folder; ``roots`` says where corpora are, by their name in the study; ``kind`` is
    the kind of study.

    Raises
    ------
    EsnError
        When there is no such file, it is no YAML, or it says something that a study can't do; names the line.
    """
    ready = ready_configs(kind)
    path = ready.get(str(path), Path(path))
    if not path.is_file():
        raise EsnError(f"{path}: there is no such file; give the study's .yaml, or one of {', '.join(ready)}")
    text = path.read_text(encoding="utf-8")
    try:
        tree = yaml.compose(text)
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = "" if mark is None else f", line {mark.line + 1}"
        raise EsnError(f"{path}{where}: not YAML: {getattr(error, 'problem', error)}") from None
    if not isinstance(content, dict):
        raise EsnError(f"{path}: a study is a mapping with models and corpora, not a {type(content).__name__}")
    try:
        config = kind.model_validate(content)
    except ValidationError as error:
        first, *others = error.errors()
        line = _line(tree, first["loc"])
        place = ".".join(str(part) for part in first["loc"]) or "the study"
        more = f" (and {len(others)} more)" if others else ""
        message = first["msg"].removeprefix("Value error, ")
        raise EsnError(f"{path}, line {line}: {place}: {message}{more}") from None
    roots = roots or {}
    if strange := sorted(set(roots) - {spec.title for spec in config.corpora}):
        had = ", ".join(spec.title for spec in config.corpora)
        raise EsnError(f"no corpus {strange[0]!r} in this study to give a root; there are {had}")
    corpora = tuple(
        spec if (root := roots.get(spec.title, spec.root and path.parent / spec.root)) is None
        else spec.model_copy(update={"root": Path(root)})
        for spec in config.corpora
    )
    return config.model_copy(update={"corpora": corpora})


def _spelled_out(value: Any, key: str) -> Any:
    """A bare name stands for a mapping with that name."""
    if not isinstance(value, (list, tuple)):
        return value
    return [{key: item} if isinstance(item, str) else item for item in value]


def _line(tree: yaml.Node | None, place: Sequence[int | str]) -> int:
    """The line of the deepest part of ``place`` that the file has."""
    node, line = tree, 1 if tree is None else tree.start_mark.line + 1
    for part in place:
        found = None
        if isinstance(node, yaml.MappingNode):
            found = next(((key, value) for key, value in node.value if key.value == part), None)
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            found = (node.value[part], node.value[part])
        if found is None:
            break
        line, node = found[0].start_mark.line + 1, found[1]
    return line
