"""Texts with places in braces for words: filled by name, and by nothing else that formatting can do."""

from collections.abc import Collection
from string import Formatter


def require_places(text: str, *, may: Collection[str], must: Collection[str] = ()) -> None:
    """Refuse a text whose braces hold anything but these names.

    An attribute, an index, a width or a conversion is of no use in a prompt, and lets a text of somebody else's read
    what it should not, or fill the memory.

    Raises
    ------
    ValueError
        With what is wrong, and with what may stand there.
    """
    try:
        fields = [(name, how, form) for _, name, form, how in Formatter().parse(text) if name is not None]
    except ValueError as error:
        raise ValueError(f"{text!r}: {error}; a brace that is meant is written twice") from error
    for name, how, form in fields:
        if name not in may or how or form:
            told = name + (f"!{how}" if how else "") + (f":{form}" if form else "")
            known = " and ".join(f"{{{one}}}" for one in may)
            raise ValueError(f"{text!r}: only {known} may stand in braces, not {told!r}")
    for name in must:
        if all(name != field for field, _, _ in fields):
            raise ValueError(f"{text!r}: {{{name}}} has to stand in it")
