"""What comes of a checkpoint that can't be loaded: told as the checkpoint's fault, unless it is ours."""

from pathlib import Path

from safetensors import SafetensorError

from esn_interp.errors import first_line

_TOLD = (OSError, ValueError, ImportError, EOFError, SafetensorError, RuntimeError)
"""What libraries raise when they know what is wrong: nothing there, damaged, too large for the memory."""
_HERE = Path(__file__).parents[1]


def why_unloadable(error: Exception) -> str:
    """Why a library could not load a checkpoint, in a line.

    Libraries trust the small files of a checkpoint, and fail on a damaged one with whatever their code runs into.

    Raises
    ------
    Exception
        The error itself, where our own code has run into it.
    """
    if isinstance(error, _TOLD):
        return first_line(error)
    at = error.__traceback__
    while at is not None and at.tb_next is not None:
        at = at.tb_next
    if at is None or Path(at.tb_frame.f_code.co_filename).is_relative_to(_HERE):
        raise error
    return f"a file of it is damaged, or of another release ({type(error).__name__}: {first_line(error)})"
