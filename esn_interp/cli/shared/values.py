"""What users write after an option, read and checked: numbers, words, layers, token scopes."""

from pathlib import Path

import esn_interp as esn


def numbers(text: str, option: str, *, least: float = 0.0) -> tuple[float, ...]:
    """Comma-separated numbers of at least ``least``, e.g. ``0,0.5,1``.

    Raises
    ------
    EsnError
        On anything else, naming the option and the piece.
    """
    values: list[float] = []
    for piece in text.split(","):
        try:
            value = float(piece)
        except ValueError:
            raise esn.EsnError(
                f"{option} {text}: {piece.strip()!r} is not a number; give e.g. 0,0.5,1,2,4"
            ) from None
        if not least <= value < float("inf"):
            raise esn.EsnError(f"{option} {text}: {piece.strip()} must be a finite number of {least:g} or more")
        values.append(value)
    if len(set(values)) != len(values):
        raise esn.EsnError(f"{option} {text}: a value is given twice")
    return tuple(values)


def gains(text: str, option: str) -> tuple[float, ...]:
    """Comma-separated values of alpha, each at least -1.

    Raises
    ------
    EsnError
        On anything else, and when none of them changes anything.
    """
    values = numbers(text, option, least=-1.0)
    if not any(values):
        raise esn.EsnError(f"{option} {text}: 0 changes nothing; gates are multiplied by 1 + alpha, give e.g. 1")
    return values


def words(text: str) -> tuple[str, ...]:
    """Comma-separated words."""
    return tuple(piece.strip() for piece in text.split(","))


def layer_bands(text: str, option: str) -> int | list[tuple[int, int]]:
    """A number of bands of like size, e.g. ``3``, or ranges of layers, e.g. ``0-3,4-7``.

    Raises
    ------
    EsnError
        On anything else, naming the option and the piece.
    """
    if text.strip().isdecimal():
        return int(text)
    bands: list[tuple[int, int]] = []
    for piece in words(text):
        first, dash, last = piece.partition("-")
        if not (dash and first.isdecimal() and last.isdecimal()):
            raise esn.EsnError(
                f"{option} {text}: {piece!r} is no range of layers; give a number, or e.g. 0-3,4-7"
            )
        bands.append((int(first), int(last)))
    return bands


def positions_of(text: str) -> frozenset[str]:
    """Token scopes where edits act: ``all``, or some of them separated by commas."""
    from esn_interp.models.edits import EVERYWHERE, SCOPES

    if text == "all":
        return EVERYWHERE
    chosen = frozenset(piece.strip() for piece in text.split(","))
    if unknown := sorted(chosen - EVERYWHERE):
        raise esn.EsnError(
            f"--positions {text}: unknown token scope {unknown[0]!r}; choose all, or some of "
            f"{', '.join(SCOPES)}"
        )
    return chosen


def statistics_of(path: Path | None) -> "esn.GateStatistics | None":
    """The statistics in a file, where one is named."""
    return None if path is None else esn.GateStatistics.load(path)


def names_of(files: list[Path]) -> list[str]:
    """What files are called; with their folders, where two have the same name."""
    stems = [path.stem for path in files]
    return stems if len(set(stems)) == len(stems) else [str(path.with_suffix("")) for path in files]
