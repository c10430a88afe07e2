"""The door of the command line: what `esn` alone shows, and how every way a command can end becomes an exit code."""

import errno
import json
import os
import sys
import traceback
import warnings
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperGroup

from esn_interp.cli.shared.command import write_lines, write_sections
from esn_interp.errors import EsnError, EsnWarning, NotDone

DONE, OUR_FAULT, USERS_FAULT, PARTLY_DONE, INTERRUPTED = 0, 1, 2, 3, 130
EXAMPLES = 2
"""How many commands of a panel show their example at the door."""


class Commands(TyperGroup):
    """A group of commands that explains itself when none is named: panel by panel, each with examples."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Without a word of the user, show what there is."""
        return super().parse_args(ctx, args if args or ctx.resilient_parsing else ["--help"])

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Every panel with a line for each command, and the examples of the first two."""
        panels: dict[str, list[Any]] = {}
        for command in self.commands.values():
            panels.setdefault(getattr(command, "rich_help_panel", None) or "Commands", []).append(command)
        for title, commands in panels.items():
            write_sections(formatter, {title: [(one.name, one.help.splitlines()[0]) for one in commands]})
            examples = [one.epilog.splitlines()[0] for one in commands if one.epilog][:EXAMPLES]
            formatter.indent()
            write_lines(formatter, "\n".join(f"$ {line}" for line in examples))
            formatter.dedent()


class Guard(Commands):
    """The `esn` command group. Its `main` turns exceptions into the contract's exit codes.

    The handling sits here, not around the executable, so that tests which call the group in-process meet
    the very same border.
    """

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        words = list(sys.argv[1:] if args is None else args)
        try:
            with _our_warnings_in_a_line():
                outcome = super().main(
                    args=words,
                    prog_name=prog_name or "esn",
                    complete_var=complete_var,
                    standalone_mode=False,
                    windows_expand_args=windows_expand_args,
                    **extra,
                )
            # Outside standalone mode an early exit (--help, a usage error that only shows help) comes back
            # as its code.
            code = outcome if isinstance(outcome, int) else DONE
            if code == INTERRUPTED:
                _report(words, "interrupted", "KeyboardInterrupt", code)
        except (KeyboardInterrupt, EOFError):
            code = _report(words, "interrupted", "KeyboardInterrupt", INTERRUPTED)
        except Exception as error:
            code = _outcome_of(words, error)
        sys.exit(code)


@contextmanager
def _our_warnings_in_a_line() -> Generator[None]:
    """What the package warns of is for users: they read it without the place in the code, each thing once."""
    with warnings.catch_warnings():
        show, said = warnings.showwarning, set[str]()

        def remark(message: Warning | str, category: type[Warning], *place: Any, **more: Any) -> None:
            if not issubclass(category, EsnWarning):
                show(message, category, *place, **more)
            elif str(message) not in said:
                said.add(str(message))
                typer.echo(f"esn: note: {message}", err=True)

        warnings.simplefilter("always", EsnWarning)
        warnings.showwarning = remark
        yield


def _outcome_of(words: Sequence[str], error: Exception) -> int:
    """Says in one line what went wrong and returns the exit code."""
    if os.environ.get("ESN_DEBUG") == "1":
        traceback.print_exception(error)
    name = type(error).__name__
    if isinstance(error, EsnError):
        return _report(words, str(error), name, PARTLY_DONE if isinstance(error, NotDone) else USERS_FAULT)
    if name == "Abort":
        return _report(words, "interrupted", "KeyboardInterrupt", INTERRUPTED)
    # The exceptions of the option parser live in `click` or in typer's own copy of it, depending on typer's
    # version; what they share is a method that words them for the user.
    wording = getattr(error, "format_message", None)
    if callable(wording):
        command = getattr(getattr(error, "ctx", None), "command_path", "esn")
        text = f"{_sentence(str(wording()))} See: {command} --help"
        return _report(words, text, "UsageError", USERS_FAULT)
    if isinstance(error, OSError) and error.errno == errno.EPIPE:
        # The reader of our stdout has gone (`esn models | head -1`). Nothing can be told to it any more, and
        # the interpreter must not try to when it flushes at exit.
        sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115
        return OUR_FAULT
    if isinstance(error, OSError) and error.errno in _USERS_DISK:
        where = f": {error.filename}" if error.filename else ""
        return _report(words, f"{error.strerror}{where}", name, USERS_FAULT)
    text = (
        f"this is a fault of esn, not yours ({name}: {error}); please report it at {_tracker()} with the "
        "output of the same command under ESN_DEBUG=1"
    )
    return _report(words, text, name, OUR_FAULT)


# Disks and folders are the user's: a full disk or a folder that may not be written is not a bug of ours.
_USERS_DISK = {
    errno.ENOENT,
    errno.EACCES,
    errno.EPERM,
    errno.EISDIR,
    errno.ENOTDIR,
    errno.ENOSPC,
    errno.EROFS,
    errno.EDQUOT,
    errno.EFBIG,
    errno.EIO,
    errno.ELOOP,
    errno.ENAMETOOLONG,
    errno.ETXTBSY,
}


def _report(words: Sequence[str], message: str, kind: str, code: int) -> int:
    """One line on stderr; with --json, one object on stdout as well, so that a script never reads nothing."""
    line = " ".join(message.split())
    typer.echo(f"esn: {line}", err=True)
    if "--json" in words:
        typer.echo(json.dumps({"error": line, "kind": kind, "exit": code}, ensure_ascii=False))
    return code


def _tracker() -> str:
    """Where problems are reported, as the installed package declares it."""
    try:
        urls = metadata.metadata("esn-interp").get_all("Project-URL") or []
    except metadata.PackageNotFoundError:
        urls = []
    known = dict(url.split(", ", 1) for url in urls if ", " in url)
    return known.get("Issues") or known.get("Repository") or "the project's issue tracker"


def _sentence(text: str) -> str:
    """The parser's wording on one line, ended by one full stop."""
    return " ".join(text.split()).rstrip(".") + "."
