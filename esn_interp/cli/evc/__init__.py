"""`esn evc ...`: emotional voice conversion, from the study of one's own models to a test with listeners."""

import typer

from esn_interp.cli.evc import listen, score, study
from esn_interp.cli.shared.command import add
from esn_interp.cli.shared.door import Commands

app = typer.Typer(
    cls=Commands,
    help="Emotion control in generated speech: neurons found in a model's own conversions, turned up, and listened to.",
    rich_markup_mode=None,
)
for command in (study, listen, score):
    add(app, command)


@app.callback()
def evc() -> None:
    """What holds for all of them: nothing yet."""
