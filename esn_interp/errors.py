"""Everything that can go wrong through a user's input, as one family of exceptions, and what is warned of.

Every message is one line that says what is wrong, where, and what to do about it; the command line prints it
and exits with code 2.
"""


class EsnError(Exception):
    """Base class: the user's input, not our code, is at fault."""


class AudioError(EsnError):
    """A clip cannot be used: unreadable, empty, silent, non-finite, too short or too long."""


class CorpusError(EsnError):
    """A corpus cannot be used: missing root, column, label or transcript, or an unknown emotion."""


class ModelError(EsnError):
    """A model cannot be used: unknown name, no gates found, processor missing, remote code not allowed."""


class StatisticsError(EsnError):
    """Statistics or neuron sets that do not fit: other model, shapes or emotions, or too few clips."""


class NotDone(StatisticsError):
    """Parts of a study could not be done, so that it has nothing to tell; the rest is kept."""


class EditError(EsnError):
    """An edit that cannot act: neuron out of range, non-finite value, or no token touched."""


def first_line(error: Exception) -> str:
    """What another library says of what went wrong, in one line without the stop at its end."""
    said = str(error).strip() or type(error).__name__
    return said.splitlines()[0].rstrip(".:")


def passing(error: BaseException) -> bool:
    """Whether what went wrong may be gone tomorrow, with the very same input: a disk, a network, memory, a package.

    Told by what led to it. A model that can't be loaded is never the fault of what is asked of it.
    """
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, ModelError | OSError | ImportError | MemoryError | RuntimeError):
            return True
        seen = seen.__cause__ or seen.__context__
    return False


class EsnWarning(UserWarning):
    """Something about the input or the result that one should know of; nothing that stops the work."""
