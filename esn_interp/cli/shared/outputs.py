"""Files that a command is to write: onto no input, over nothing of somebody else's, by one run at a time."""

import json
from collections.abc import Callable, Generator, Mapping
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import esn_interp as esn

WRITES = {
    "ablate": ("ablation",),
    "asking": ("asking",),
    "attribute": ("attribution", "attribution_check"),
    "baselines": ("baselines",),
    "compare": ("selector_comparison",),
    "dose": ("dose_response",),
    "efficiency": ("efficiency",),
    "ground": ("grounding",),
    "inject": ("injection",),
    "layers": ("layer_profile",),
    "overlap": ("overlap",),
    "read": ("reading",),
    "redundancy": ("redundancy",),
    "score": ("preference",),
    "side_effects": ("side_effects",),
    "transfer": ("transfer",),
    "verify": ("verification",),
}
"""The kinds of result that each analysis writes, and writes over."""


class _Command:
    """What is known of the command that runs: what it was given by option, and the files that it holds."""

    def __init__(self, name: str, given: Mapping[str, Any], held: ExitStack) -> None:
        self.name = name
        self.overwrite = bool(given.get("overwrite"))
        self.inputs = [
            (option, value)
            for option, values in given.items()
            for value in (values if isinstance(values, list | tuple) else [values])
            if isinstance(value, str | Path) and str(value)
        ]
        self.held = held


_command: ContextVar[_Command | None] = ContextVar("command", default=None)


@contextmanager
def guarded(given: Mapping[str, Any], *, name: str = "") -> Generator[None]:
    """Within the block, a command with these options runs; what it claims with `out_file` is its own until the end."""
    with ExitStack() as held:
        token = _command.set(_Command(name, given, held))
        held.callback(_command.reset, token)
        if given.get("trust_mtime"):
            from esn_interp.speech.identity import trusting_mtime

            held.enter_context(trusting_mtime())
        yield


def out_file(path: Path | None, suffix: str, *, kinds: tuple[str, ...] = ()) -> None:
    """Checks and claims a file that is to be written, if one is, before any long work starts.

    A file that is there already is replaced when it is one of ours, of one of these kinds where they are named, or with
    --overwrite.

    Raises
    ------
    EsnError
        When the suffix is another one, the path leads through a file, it is an input too, somebody else's or of another
        kind, or another run is writing it.
    """
    if path is None:
        return
    if path.suffix != suffix:
        raise esn.EsnError(f"--out {path}: the file is a {suffix} file; call it {path.with_suffix(suffix).name}")
    if path.is_dir():
        raise esn.EsnError(f"--out {path}: this is a folder; name a file in it")
    in_folder(path)
    command = _command.get()
    if command is None:
        return
    _no_input(path, command)
    if path.exists() and not command.overwrite and not _ours(path, kinds):
        what = f"no {' or '.join(kinds)} of esn" if kinds else "not one that esn wrote"
        raise esn.EsnError(
            f"--out {path}: there is a file already, {what}; name another file, or say --overwrite to replace it"
        )
    _claim(path, command)


def out_result(path: Path) -> None:
    """Checks and claims the file of a result, and the pages of figures that go beside it.

    Raises
    ------
    EsnError
        As `out_file` does, for each of them.
    """
    command = _command.get()
    out_file(path, ".json", kinds=() if command is None else WRITES.get(command.name, ()))
    out_file(path.with_suffix(".html"), ".html")
    if path.parent.is_dir():
        for page in sorted(path.parent.iterdir()):
            if page.name.startswith(f"{path.stem}.") and page.suffix == ".html":
                out_file(page, ".html")


def out_folder(path: Path, *, marks: Callable[[Path], bool], what: str) -> None:
    """Checks and claims a folder that is to be written, before any long work starts.

    One that is there already is written into when it is empty, when it is one of ours (``marks`` tells), or with
    --overwrite.

    Raises
    ------
    EsnError
        When the path is or leads through a file, it is an input too, it holds something else than ``what``, or another
        run is writing it.
    """
    in_folder(path / "any")
    command = _command.get()
    if command is None:
        return
    _no_input(path, command)
    if path.is_dir() and any(path.iterdir()) and not command.overwrite and not marks(path):
        raise esn.EsnError(
            f"--out {path}: this folder holds other things than {what}; name a folder of its own, or say --overwrite to"
            " write into it"
        )
    _claim(path, command)


def out_page(path: Path) -> None:
    """Checks the report of a folder of ours, which may be of a release that did not sign its pages.

    Raises
    ------
    EsnError
        When somebody else wrote it, and there is no --overwrite.
    """
    command = _command.get()
    if command is None or command.overwrite or not path.exists() or _ours(path, ()):
        return
    try:
        signed = "esn_interp" in path.read_text(encoding="utf-8")
    except (OSError, ValueError):
        signed = False
    if not signed:
        raise esn.EsnError(f"{path}: there is a page already, not one that esn wrote; move it away, or say --overwrite")


def _no_input(path: Path, command: _Command) -> None:
    for option, given in command.inputs:
        if given is not path and _same(Path(given), path):
            named = "" if option in ("statistics", "files", "neurons") else f" (--{option.replace('_', '-')})"
            raise esn.EsnError(f"--out {path}: this is an input as well{named}, and would be lost; name another file")


def in_folder(path: Path) -> None:
    """Checks that a file or folder can come to be there; missing folders are made when it is written.

    Raises
    ------
    EsnError
        When something on the way is a file.
    """
    for parent in path.absolute().parents:
        if parent.is_dir():
            break
        if parent.exists():
            raise esn.EsnError(f"--out {path}: {parent} is a file, not a folder")


def own_file(path: Path, kind: str) -> None:
    """Checks a file that is written on the way: nothing but an earlier one of this kind is replaced.

    Raises
    ------
    EsnError
        When there is another file of this name.
    """
    if path.exists() and not _ours(path, (kind,)):
        raise esn.EsnError(f"{path}: there is a file already, no {kind} of esn, where one is to be kept; move it away")
    from esn_interp.files import clean

    clean(path)


def _same(one: Path, other: Path) -> bool:
    try:
        return one.resolve() == other.resolve() or (one.exists() and other.exists() and one.samefile(other))
    except (OSError, ValueError):  # no file can be called so
        return False


def _ours(path: Path, kinds: tuple[str, ...]) -> bool:
    """Whether a file says of itself that it was written by this package; an empty one is nobody's."""
    try:
        if not path.is_file():
            return False
        if not path.stat().st_size:
            return True
        if path.suffix == ".safetensors":
            from safetensors import safe_open

            from esn_interp.files import HEADER

            with safe_open(str(path), framework="numpy") as file:
                told = json.loads((file.metadata() or {}).get(HEADER, "null"))
        elif path.suffix == ".json":
            told = json.loads(path.read_text(encoding="utf-8"))
        elif path.suffix == ".wav":
            import soundfile

            from esn_interp.speech.playable import WRITTEN_BY

            with soundfile.SoundFile(str(path)) as sound:
                return sound.software.startswith(WRITTEN_BY)
        else:
            from esn_interp.report.page import GENERATOR

            return GENERATOR in path.read_text(encoding="utf-8")[:4096]
    except Exception:  # whatever it is that can't be read, it is not ours
        return False
    kind = told.get("kind") if isinstance(told, dict) else None
    return isinstance(kind, str) and (not kinds or kind in kinds)


def _claim(path: Path, command: _Command) -> None:
    """Hold a file or folder until the command ends, and take away what dead runs have left of it."""
    from esn_interp.files import clean, locked

    command.held.enter_context(locked(path))
    clean(path)
