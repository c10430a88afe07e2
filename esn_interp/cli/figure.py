"""`esn figure`: the figure of a saved result, for a page, a slide or a paper."""

from pathlib import Path
from typing import Annotated, Any

import typer

import esn_interp as esn
from esn_interp.cli.shared import Run, out_file
from esn_interp.cli.shared.measured import write_page


def figure(
    *,
    result: Annotated[
        Path, typer.Argument(metavar="RESULT", help="A result (.json) of any analysis, or a neuron set.")
    ],
    out: Annotated[
        Path, typer.Option("--out", metavar="F", help="The file to write: .pdf, .svg, .png, .jpeg, .webp or .html.")
    ],
    which: Annotated[
        str, typer.Option("--which", metavar="NAME", help="Another of its figures, such as confusion or clusters.")
    ] = "",
    width: Annotated[
        int | None, typer.Option("--width", min=1, metavar="PX", help="Width in pixels, 96 to the inch.")
    ] = None,
    height: Annotated[int | None, typer.Option("--height", min=1, metavar="PX", help="Height in pixels.")] = None,
    font_size: Annotated[
        float | None, typer.Option("--font-size", metavar="PX", help="Size of the text; all of it is scaled.")
    ] = None,
    no_title: Annotated[bool, typer.Option("--no-title", help="Leave the title to the caption.")] = False,
    greyscale: Annotated[
        bool, typer.Option("--greyscale", help="Draw in greys; symbols and dashes tell apart.")
    ] = False,
    run: Run,
) -> None:
    """Draw a saved result as a file, in the size and look that a paper asks for.

    All but .html needs the extra "figures" (kaleido) and a Chrome or Chromium.

    Example:
        esn figure ablation.json --out ablation.pdf --width 336 --font-size 9 --no-title
    """
    from esn_interp.drawing.shown import FORMATS, write_still

    if (ending := out.suffix.lower()) not in (".html", *(f".{form}" for form in FORMATS)):
        raise esn.EsnError(f"--out {out}: a figure is .html, .{', .'.join(FORMATS)}")
    out_file(out, out.suffix)
    drawn = _plot(_loaded(result), which, result)(
        width=width, height=height, font_size=font_size, title=not no_title, greyscale=greyscale
    )
    if ending == ".html":
        write_page(drawn, out)
    else:
        write_still(drawn, out)
    run.result({"out": out, "bytes": out.stat().st_size}, out)


def _loaded(path: Path) -> Any:
    from esn_interp.analysis.written import load_result

    return esn.NeuronSet.load(path) if path.suffix == ".safetensors" else load_result(path)


def _plot(result: Any, which: str, path: Path) -> Any:
    """The function that draws the figure that is asked for."""
    others = sorted(name.removeprefix("plot_") for name in dir(result) if name.startswith("plot_"))
    if not which:
        return result.plot
    if which not in others:
        raise esn.EsnError(f"{path}: there is no figure {which!r}; it has {', '.join(others) or 'only the one'}")
    return getattr(result, f"plot_{which}")
