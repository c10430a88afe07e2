"""A figure that shows itself: alive in a notebook, as a still picture beside it, and as a file for a paper."""

from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import plotly.graph_objects as go

from esn_interp.errors import EsnError
from esn_interp.files import write_bytes

FORMATS = ("pdf", "svg", "png", "jpeg", "webp")
"""Still pictures that can be written; a page (.html) needs nothing but plotly."""
STILL_WIDTH = 760
"""Width in pixels of a still picture of a figure that does not say its own."""


class Figure(go.Figure):
    """A plotly figure that a notebook shows without nbformat, and with a still picture beside it.

    The picture is what shows where nothing can be drawn: on a code host, in an exported page, in a PDF. It is made
    when kaleido and a Chromium are there (the extra ``figures``), and left out where they are not.
    """

    def _ipython_display_(self) -> None:
        from IPython.display import display

        bundle: dict[str, Any] = self._repr_mimebundle_()
        if not bundle:  # a terminal, where plotly opens a browser
            super()._ipython_display_()
            return
        if "image/png" not in bundle and (still := _still_if_any(self)) is not None:
            bundle["image/png"] = still
        display({**bundle, "text/plain": repr(self)}, raw=True)

    def __repr__(self) -> str:
        shown: Any = self
        title = (shown.layout.title.text or "").partition("<br>")[0]
        return f"Figure({title!r}, {len(shown.data)} traces)"


def still(figure: go.Figure, form: str, *, scale: float = 1) -> bytes:
    """A figure as a still picture: bytes of a PDF, SVG, PNG, JPEG or WebP.

    Raises
    ------
    EsnError
        When the format is another one, or kaleido or a Chromium is missing.
    """
    if form not in FORMATS:
        raise EsnError(f"figures can't be written as .{form}; choose .html, .{', .'.join(FORMATS)}")
    if find_spec("kaleido") is None:
        raise EsnError(f"a .{form} needs kaleido: pip install 'esn-interp[figures]'; an .html page does not")
    spec: Any = figure.to_plotly_json()
    size = {"width": spec["layout"].get("width") or STILL_WIDTH, "height": spec["layout"].get("height") or 450}
    kaleido: Any = _started()
    try:
        return kaleido.calc_fig_sync(spec, opts={"format": form, "scale": scale, **size})
    except Exception as error:  # whatever the browser says: it is another program
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise EsnError(
            f"the figure was not drawn as .{form}: {first}; kaleido needs Chrome or Chromium (plotly_get_chrome"
            " fetches one)"
        ) from None


def write_still(figure: go.Figure, path: str | Path) -> None:
    """Write a still picture, of the kind that the ending says, whole or not at all (EsnError as for `still`)."""
    write_bytes(path, still(figure, Path(path).suffix.lstrip(".").lower()))


@cache
def _started() -> Any:
    """Kaleido with its browser running until Python ends: starting one for each picture takes seconds.

    Formulas would be fetched from a network; there are none in our figures.
    """
    import kaleido

    kaleido.start_sync_server(silence_warnings=True, mathjax=False)
    return kaleido


def _still_if_any(figure: go.Figure) -> bytes | None:
    """The picture for a notebook; nothing where it can't be made, since the figure itself is shown."""
    if find_spec("kaleido") is None:
        return None
    try:
        return still(figure, "png", scale=1.5)
    except EsnError:
        return None
