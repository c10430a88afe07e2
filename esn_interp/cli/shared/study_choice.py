"""What the commands that run a whole study share: what they are told, and what they end with."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar

import typer

from esn_interp.cli.shared.console import Console, Overwrite
from esn_interp.cli.shared.corpus_choice import TrustMtime
from esn_interp.cli.shared.door import PARTLY_DONE
from esn_interp.cli.shared.outputs import in_folder, out_folder, out_page
from esn_interp.errors import EsnError


def duration(seconds: float | None) -> str:
    """A duration as people say it, ``40 s``, ``12 min``, ``3.5 h``; a dash where it is not known."""
    if seconds is None:
        return "-"
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def points(value: float | None, sign: str = "+") -> str:
    """A share, or a change of one, in percentage points, for the table of a study."""
    return "-" if value is None else f"{100 * value:{sign}.1f}"


def study_folder(out: Path, *kinds: str) -> None:
    """Check and hold a folder for a study whose results are of these kinds.

    Raises
    ------
    EsnError
        When it holds something else, unless --overwrite is said, or another run is writing it.
    """

    def marks(folder: Path) -> bool:
        from esn_interp.studies.results import kinds_in

        found = kinds_in(folder)
        return found is not None and not set(kinds).isdisjoint(found or kinds)

    out_folder(out, marks=marks, what=f"a {' or '.join(kinds)} of esn")
    out_page(out / "report.html")


@dataclass(frozen=True, kw_only=True)
class StudyChoice(Console):
    """Where a study is written, where its corpora lie, and what is changed in its config.

    Raises
    ------
    EsnError
        When there is nothing to resume, or no folder can come to be there.
    """

    TITLE: ClassVar = "Run"

    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Folder for the report, the results and every stage.")
    ]
    root: Annotated[
        list[str] | None,
        typer.Option(
            "--root", metavar="CORPUS=PATH", help="Where a corpus of the config lies; may be repeated."
        ),
    ] = None
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Go on with the study in DIR; what it has done is never done again."),
    ] = False
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the plan: the work of each stage. Run nothing.")
    ] = False
    seed: Annotated[
        int | None, typer.Option("--seed", min=0, help="Use this seed instead of the config's.")
    ] = None

    trust_mtime: TrustMtime = False
    overwrite: Overwrite = False

    def __post_init__(self) -> None:
        if self.resume and not (self.out / "stages").is_dir():
            raise EsnError(f"{self.out}: there is no study to resume; leave --resume out to begin one")
        in_folder(self.out / "results.json")

    def claim(self, *kinds: str) -> None:
        """Check and hold the folder for a study of these kinds; see `study_folder`."""
        study_folder(self.out, *kinds)

    @property
    def roots(self) -> dict[str, Path]:
        """What ``--root CORPUS=PATH`` says.

        Raises
        ------
        EsnError
            When it is of another form.
        """
        parts = {text: text.partition("=") for text in self.root or ()}
        for text, (_, sign, path) in parts.items():
            if not (sign and path):
                raise EsnError(f"--root {text}: write CORPUS=PATH, such as emodb=/data/emodb")
        return {name: Path(path) for name, _, path in parts.values()}

    def close(self, content: Mapping[str, Any], told: str) -> None:
        """Tell what came out and what could not be done, which ends in an exit code of its own."""
        files = {name: path for name in ("report.html", "results.json") if (path := self.out / name).exists()}
        undone = [f"not done: {one['stage']}, {one['of']}: {one['reason']}" for one in content.get("not_done", ())]
        self.result({"out": self.out, **files, "results": content}, told, *undone, *files.values())
        if undone:
            raise typer.Exit(PARTLY_DONE)
