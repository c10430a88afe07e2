"""One spelling of a name: a letter with its accent may be one code point or two, and looks the same."""

import os
import unicodedata
from collections.abc import Mapping
from pathlib import Path


def one_form(text: str) -> str:
    """The composed form (NFC): "Zoë" as it is typed and "Zoë" as a Mac writes it are one name."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def in_one_form(labels: Mapping[str, str]) -> dict[str, str]:
    """A table of a user's labels by the composed form of each."""
    return {one_form(str(label)): emotion for label, emotion in labels.items()}


def writable(path: str | Path) -> bool:
    """Whether a name can be written down: those of old archives may be bytes that are no UTF-8."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True


def legible(path: str | Path) -> str:
    """A name for a message, its bytes that are no UTF-8 written as escapes."""
    return str(path).encode("utf-8", "backslashreplace").decode()


def as_on_disk(path: Path) -> Path:
    """The same path in the form in which the disk has it, part by part; as it is where there is no such file."""
    if os.path.lexists(path) or str(path).isascii():
        return path
    found = Path(path.anchor)
    for part in path.parts[1 if path.anchor else 0 :]:
        if not os.path.lexists(found / part):
            try:
                twin = next((one.name for one in found.iterdir() if one_form(one.name) == one_form(part)), None)
            except OSError:
                twin = None
            if twin is None:
                return path
            part = twin
        found /= part
    return found
