"""Tables that are read off the code when the docs are built, so that they can't drift from it."""

import dataclasses
import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterable, Sequence
from typing import Any

import typer
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from sphinx.util.typing import stringify_annotation


def _table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(str(cell).replace('|', '&#124;') for cell in line)} |" for line in lines)


class _Markdown(SphinxDirective):
    """A directive that writes Markdown."""

    optional_arguments = 1

    def markdown(self) -> str:
        raise NotImplementedError

    def run(self) -> list[nodes.Node]:
        return self.parse_text_to_nodes(self.markdown(), allow_section_headings=True)


class Commands(_Markdown):
    """Every command of `esn` with its example and its options."""

    def markdown(self) -> str:
        from esn_interp.cli import app

        group: Any = typer.main.get_command(app)
        return "\n\n".join(
            _command(f"{name} {part}".strip(), one)
            for name, command in group.commands.items()
            for part, one in getattr(command, "commands", {"": command}).items()
        )


def _command(name: str, command: Any) -> str:
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    options = [p for p in command.params if p.param_type_name == "option"]
    rows = [[f"`{p.metavar or p.name.upper()}`", p.help or "", ""] for p in arguments]
    rows += [[f"`{' '.join(p.opts)}`", p.help or "", _default(p)] for p in options if p.name != "help"]
    text = inspect.cleandoc(command.help or "")
    table = _table(["option", "meaning", "default"], rows)
    return f"## `esn {name}`\n\n{text}\n\n```bash\n{command.epilog}\n```\n\n{table}"


def _default(option: Any) -> str:
    if option.required:
        return "required"
    value = getattr(option.default, "value", option.default)
    return "" if value is None or value is False else f"`{value}`"


class Sites(_Markdown):
    """Where in a layer something can be read and edited."""

    def markdown(self) -> str:
        from esn_interp.models.sites import SITES

        rows = [
            [f"`{one.name}`", one.title, f"`{one.formula}`", "gates" if one.neurons else "stream"]
            for one in SITES.values()
        ]
        return _table(["site", "what it is", "value", "as wide as"], rows)


class Families(_Markdown):
    """The families of models that can be loaded."""

    def markdown(self) -> str:
        from esn_interp.models.families import FAMILIES

        header = ["family", "`model_type`", "checkpoints", "can", "tested on", "needs"]
        rows = [
            [f.title, _code(f.model_types), _code(f.checkpoints), f.capability, f.tested, f.needs]
            for f in (family.info for family in FAMILIES)
        ]
        return _table(header, rows)


class AccessPoints(_Markdown):
    """Where the gates are: of a bundled model, or of every family in transformers' default configuration."""

    required_arguments = 1

    def markdown(self) -> str:
        from transformers.utils.logging import disable_progress_bar

        import esn_interp as esn
        from esn_interp.models.access import access_points
        from esn_interp.models.families import FAMILIES

        disable_progress_bar()
        if self.arguments[0] != "families":
            lm = esn.load(self.arguments[0])
            return self._points(access_points(lm.stacks, lm.family.info.roles))
        parts: list[str] = []
        for family in FAMILIES:
            skeleton = family.skeleton()
            parts += [f"**{family.title}**", *(f"- {note}" for note in family.info.notes)]
            parts += [f"- `{name}`: {role}" for name, role in family.info.roles.items()]
            if skeleton is not None:
                parts += ["", self._points(access_points(family.stacks(skeleton), family.info.roles))]
            parts.append("")
        return "\n".join(parts)

    def _points(self, points: Iterable[Any]) -> str:
        rows = [
            [f"`{p.component}`", p.layers, f"`{p.path}`", f"`{p.gate}`", p.shape.replace("[", "\\[")]
            for p in points
        ]
        return _table(["component", "layers", "module", "gate", "shape in a trace"], rows)


class ConfigFields(_Markdown):
    """The settings of a study, with their defaults."""

    def markdown(self) -> str:
        from esn_interp.studies.config import CorpusSpec, ModelSpec
        from esn_interp.studies.recognition.config import RecognitionConfig

        rows: list[list[str]] = []
        for prefix, kind in (("", RecognitionConfig), ("models: ", ModelSpec), ("corpora: ", CorpusSpec)):
            for name, field in kind.model_fields.items():
                default = "" if field.is_required() else f"`{field.default}`"
                rows.append([f"{prefix}`{name}`", default])
        return _table(["setting", "default"], rows)


class ConversionConfigFields(_Markdown):
    """The settings of a study of conversions that other studies do not have, with their defaults."""

    def markdown(self) -> str:
        from esn_interp.studies.conversion.config import ConversionConfig

        fields = ConversionConfig.model_fields
        own = [name for name in fields if name in ConversionConfig.__annotations__]
        rows = [[f"`{name}`", "" if fields[name].is_required() else f"`{fields[name].default}`"] for name in own]
        return _table(["setting", "default"], rows)


class Corpora(_Markdown):
    """The corpora that can be loaded by name."""

    def markdown(self) -> str:
        from esn_interp.speech.corpora import CORPORA

        rows = [
            [f"`{i.name}`", i.description, "`--root`" if i.needs_root else "nothing", i.licence]
            for i in CORPORA.values()
        ]
        return _table(["name", "what it is", "needs", "licence"], rows)


class CorpusCards(_Markdown):
    """What is known of each corpus that is not bundled: where it is from, what to do with it, and its labels."""

    def markdown(self) -> str:
        from esn_interp.speech.corpora import CORPORA

        return "\n\n".join(_corpus_card(info) for info in CORPORA.values() if info.needs_root)


def _corpus_card(info: Any) -> str:
    from esn_interp.speech.labels import emotion_order

    facts = [
        ["licence", info.licence],
        ["from", f"<{info.home}>"],
        ["download", info.download],
        ["`--root` holds", info.layout],
        ["split to use", info.split],
        *([f"`--emotions {name}`", ", ".join(emotions)] for name, emotions in info.conventions.items()),
    ]
    signs: dict[str, list[str]] = {}
    for sign, emotion in info.labels.items():
        signs.setdefault(emotion, []).append(f"`{sign}`")
    rows = [
        [emotion, ", ".join(theirs), f"{info.counts[emotion]:,}" if info.counts else "depends on the release"]
        for emotion, theirs in ((emotion, signs[emotion]) for emotion in emotion_order(signs))
    ]
    title = f"### `{info.name}`: {info.title}\n\n{info.description[0].upper()}{info.description[1:]}."
    options = _options(info.load)
    return "\n\n".join([title, _table(["", ""], facts), _table(["emotion", "its labels", "clips"], rows), *options])


def _options(load: Any) -> list[str]:
    """The sentences of a loader's docstring that speak of its options, where it has some."""
    parameters = [p for p in inspect.signature(load).parameters.values() if p.kind is p.KEYWORD_ONLY]
    if not parameters:
        return []
    defaults = ", ".join(f"`{p.name}={p.default!r}`" for p in parameters)
    about = " ".join((inspect.getdoc(load) or "").split("\n\n", 1)[-1].split())
    return [f"Options: {defaults}. {about}"]


class PublicNames(_Markdown):
    """What the top of the package offers, each name with the first sentence of its docstring."""

    def markdown(self) -> str:
        import esn_interp as esn

        rows: list[list[str]] = []
        for name in esn.__all__:
            value = getattr(esn, name)
            if callable(value) or inspect.ismodule(value):
                sentence = (inspect.getdoc(value) or "").split("\n\n")[0].replace("\n", " ")
                home = value.__name__ if inspect.ismodule(value) else f"{value.__module__}.{name}"
                rows.append([f"{{py:obj}}`esn.{name} <{home}>`", _to_markdown(sentence)])
            else:
                names = _code(getattr(item, "name", item) for item in value)
                rows.append([f"`esn.{name}`", f"by name: {names}"])
        return _table(["name", "what it is"], rows)


class Modules(_Markdown):
    """Every module of a room that defines something, folder by folder, each with all that it defines."""

    required_arguments = 1

    def markdown(self) -> str:
        return "\n\n".join(_modules(self.arguments[0], level=2))


def _modules(name: str, *, level: int) -> list[str]:
    """The sections of a module or folder; that of a folder begins with the sentence that the folder says of itself."""
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError:  # such as a kernel, where there is no compiler for it
        return []
    inside = sorted(found.name for found in pkgutil.iter_modules(getattr(module, "__path__", ()), f"{name}."))
    if not inside and not defines_something(name):
        return []
    # What a folder passes on is told where it is defined.
    member = f".. automodule:: {name}\n   :ignore-module-all:"
    head = f"{'#' * level} `{name}`\n\n```{{eval-rst}}\n{member}\n```"
    return [head, *(section for part in inside for section in _modules(part, level=min(level + 1, 4)))]


def defines_something(name: str) -> bool:
    """Whether a module has a class or function of its own."""
    values = vars(importlib.import_module(name)).values()
    return any(callable(value) and getattr(value, "__module__", None) == name for value in values)


def _to_markdown(docstring: str) -> str:
    return re.sub(r":\w+:`~?([^`]*)`", r"`\1`", docstring).replace("``", "`")


class ResultFields(_Markdown):
    """The fields of a result, as they stand in its file."""

    required_arguments = 1

    def markdown(self) -> str:
        module, name = self.arguments[0].rsplit(".", 1)
        result: Any = getattr(importlib.import_module(module), name)
        rows = [[f"`{field.name}`", f"`{_type(field.type)}`"] for field in dataclasses.fields(result)]
        title = f"`kind` is `{result.kind}`, `version` is {result.version}."
        return f"{title} Besides `package_version`:\n\n{_table(['field', 'type'], rows)}"


def _type(annotation: Any) -> str:
    """An annotation as a reader of JSON sees it: arrays by dtype and axes, our own classes by name."""
    if hasattr(annotation, "array_type"):
        return f"[{', '.join(annotation.dim_str.split())}] {annotation.dtypes[0]}"
    return stringify_annotation(annotation, mode="smart").replace("~", "")


def _code(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("commands", Commands)
    app.add_directive("families", Families)
    app.add_directive("access-points", AccessPoints)
    app.add_directive("sites", Sites)
    app.add_directive("config-fields", ConfigFields)
    app.add_directive("conversion-config-fields", ConversionConfigFields)
    app.add_directive("corpora", Corpora)
    app.add_directive("corpus-cards", CorpusCards)
    app.add_directive("public-names", PublicNames)
    app.add_directive("modules", Modules)
    app.add_directive("result-fields", ResultFields)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
