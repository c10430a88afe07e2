"""`esn evc ...`: emotional voice conversion, from the study of one's own models to a test with listeners."""

import typer

from esn_interp.cli import conversion_study, listening

app = typer.Typer(rich_markup_mode=None)


@app.callback()
def evc() -> None:
    """Emotion control in generated speech: neurons found in a model's own conversions, turned up, and heard."""


app.command("study")(conversion_study.study)
app.command("listen")(listening.listen)
app.command("score")(listening.score)
