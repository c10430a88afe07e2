"""A whole study as one file: what is studied, with which settings; read with errors that name the line."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from esn_interp.errors import CorpusError, EsnError, first_line
from esn_interp.models import loading
from esn_interp.models.plans import PLANS
from esn_interp.models.precision import checked_precision
from esn_interp.neurons.catalogue import SELECTORS, contenders
from esn_interp.neurons.layout import ANSWERING, SCOPES, parse_scopes
from esn_interp.speech.labels import asked_emotion
from esn_interp.tasks.protocols import Protocol
from esn_interp.tasks.protocols import protocol as protocol_of

Fraction = Annotated[float, Field(gt=0, le=1)]
Gain = Annotated[float, Field(ge=-1)]


class _Strict(BaseModel):
    """A part of a config: an unknown key is a mistake, not an extension."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


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
    plan: Literal[PLANS] = "auto"  # pyright: ignore[reportInvalidTypeForm]
    allow_missing: tuple[str, ...] = ()

    @field_validator("dtype")
    @classmethod
    def _precision(cls, value: str | None) -> str | None:
        return value if value is None else _said(checked_precision, value)

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
    otherwise. Subclasses name the configs of their kind that come with the package, the stages that they can do, and
    the token scopes that there are.
    """

    ready: ClassVar[tuple[str, ...]] = ()
    scopes_there_are: ClassVar[tuple[str, ...]] = SCOPES
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

    @field_validator("scope")
    @classmethod
    def _token_scope(cls, value: str) -> str:
        return cls.known_scope(value)

    @field_validator("selectors", "tops", "alphas", "seeds", "emotions")
    @classmethod
    def _no_duplicates(cls, value: Any) -> Any:
        return once(value)

    @classmethod
    def known_scope(cls, value: str) -> str:
        """A token scope that such a study can count gates in; ValueError for any other."""
        _said(lambda scope: ", ".join(parse_scopes(scope, cls.scopes_there_are)), value)
        return value

    def doubts(self) -> Iterator[tuple[tuple[int | str, ...], str]]:
        """What a file can't mean, with its place in it: names that are nobody's."""
        for number, spec in enumerate(self.models):
            if reason := loading.unknown(spec.model):
                yield ("models", number), reason
        for number, spec in enumerate(self.corpora):
            yield from ((("corpora", number, "emotions"), reason) for reason in misspelt(spec.emotions))
        yield from ((("emotions",), reason) for reason in misspelt(self.emotions))

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
    tree, content = _read(path)
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
        raise EsnError(f"{path}, line {line}: {place}: {' '.join(message.split())}{more}") from None
    for loc, reason in config.doubts():
        raise EsnError(f"{path}, line {_line(tree, loc)}: {'.'.join(map(str, loc))}: {reason}")
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


def _read(path: Path) -> tuple[yaml.Node | None, Any]:
    """The nodes of a file, which know their lines, and what they say."""
    try:
        text = path.read_text(encoding="utf-8")
        tree = yaml.compose(text)
        _require_once(path, tree)
        return tree, yaml.safe_load(text)
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise EsnError(f"{path}, line {line}: not UTF-8 text; save it in that encoding") from None
    except OSError as error:
        raise EsnError(f"{path}: can't be read: {error.strerror}") from None
    except RecursionError:
        raise EsnError(f"{path}: nested too deeply to be a study") from None
    except (yaml.YAMLError, ValueError) as error:  # a date of the 31st of February is a ValueError
        mark = getattr(error, "problem_mark", None)
        where = "" if mark is None else f", line {mark.line + 1}"
        raise EsnError(f"{path}{where}: not YAML: {getattr(error, 'problem', None) or first_line(error)}") from None


def _require_once(path: Path, tree: yaml.Node | None) -> None:
    """Refuse a key that a mapping has twice: the first would be lost without a word."""
    left, seen = [tree] if tree is not None else [], set[int]()
    while left:
        node = left.pop()
        if id(node) in seen:  # an anchor that is named again
            continue
        seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            left += node.value
        elif isinstance(node, yaml.MappingNode):
            lines: dict[str, int] = {}
            for key, value in node.value:
                left.append(value)
                line = key.start_mark.line + 1
                if isinstance(key, yaml.ScalarNode) and lines.setdefault(key.value, line) != line:
                    raise EsnError(
                        f"{path}, line {line}: {key.value}: given already in line {lines[key.value]}; keep one of them"
                    )


def once(value: Any) -> Any:
    """A list that names nothing twice; ValueError for one that does."""
    if isinstance(value, tuple) and (twice := [one for at, one in enumerate(value) if one in value[:at]]):
        raise ValueError(f"{twice[0]!r} is given twice; once is enough")
    return value


def misspelt(emotions: tuple[str, ...] | str | None) -> Iterator[str]:
    """Words that are nearly an emotion of the vocabulary, which a corpus of one's own would have otherwise."""
    words = emotions if isinstance(emotions, tuple) else ()
    for word in words:
        try:
            asked_emotion(word)
        except CorpusError as error:
            if "did you mean" in str(error):
                yield str(error)


def _said(check: Callable[[str], str], value: str) -> str:
    """What a check says, as pydantic wants to hear it."""
    try:
        return check(value)
    except EsnError as error:
        raise ValueError(str(error)) from None


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
