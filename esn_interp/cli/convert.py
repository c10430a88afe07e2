"""`esn convert`: one recording, said with another emotion."""

from pathlib import Path
from typing import Annotated

import typer

import esn_interp as esn
from esn_interp.cli.shared import ModelChoice, Run, out_file
from esn_interp.speech.labels import asked_emotion


def convert(
    *,
    model: ModelChoice,
    source: Annotated[Path, typer.Option("--in", metavar="A", help="The recording that is to be said anew.")],
    to: Annotated[str, typer.Option("--to", metavar="EMOTION", help="The emotion to say it with.")],
    out: Annotated[Path, typer.Option("--out", metavar="B", help="Where the speech goes: a .wav file.")],
    neurons: Annotated[
        Path | None, typer.Option("--neurons", metavar="F", help="A neuron set to steer with; else no steering.")
    ] = None,
    alpha: Annotated[
        float | None,
        typer.Option(
            "--alpha", min=-1, help="Steering: each neuron is multiplied by 1 + alpha.", show_default="1"
        ),
    ] = None,
    voice: Annotated[
        str | None, typer.Option("--voice", metavar="V", help="A voice of the model's own; its first by default.")
    ] = None,
    prompt: Annotated[
        str | None,
        typer.Option("--prompt", metavar="TEXT", help="The request; {emotion} and {article} are filled in."),
    ] = None,
    greedy: Annotated[
        bool, typer.Option("--greedy", help="Take the likeliest code of speech at every step; draw none.")
    ] = False,
    max_seconds: Annotated[
        float, typer.Option("--max-seconds", min=0.1, help="Where the speech is cut off.")
    ] = 30.0,
    mark: Annotated[
        bool, typer.Option("--mark/--no-mark", help="Say in the file's comment that its speech is synthetic.")
    ] = True,
    run: Run,
) -> None:
    """Say a recording with another emotion.

    The model is asked for the emotion; with --neurons, those of this emotion are amplified as it speaks. Without
    --component they are taken to be of the component that they were found in, the talker by default. Ask whoever is
    heard before you publish what they never said so: docs/responsible_use.md.

    Example:
        esn convert --model toy-omni --in hello.wav --to angry --neurons esns.safetensors --out angry.wav
    """
    out_file(out, ".wav")
    if neurons is None and alpha is not None:
        raise esn.EsnError(f"--alpha {alpha:g} says how much to amplify; say what, with --neurons")
    chosen = None if neurons is None else esn.NeuronSet.load(neurons)
    to = asked_emotion(to, also=() if chosen is None else chosen.emotions)
    if alpha == 0:
        raise esn.EsnError("--alpha 0 changes nothing: neurons are multiplied by 1 + alpha; leave out --neurons")
    esn.read_audio(source)  # what is quick to refuse comes first
    if chosen is not None and len(chosen.emotions) > 1:
        chosen = chosen[to]
    found_in = {} if chosen is None or model.component else {"component": chosen.origin.component}
    lm = model.loaded(progress=run.progress, speaking=True, **found_in)

    from esn_interp.models.conversion import ConversionPrompt, conversion_prompt

    usual, gain = conversion_prompt(lm), 1.0 if alpha is None else alpha
    speech = esn.convert(
        lm,
        source,
        to=to,
        neurons=chosen,
        alpha=0.0 if chosen is None else gain,
        prompt=ConversionPrompt(
            usual.prompt if prompt is None else prompt, usual.system if model.system is None else lm.system
        ),
        manner=esn.Manner(voice, greedy=greedy, max_seconds=max_seconds),
        seed=run.seed,
    )
    if not len(speech.waveform):
        raise esn.EsnError(f"{source}: no speech came of it ({speech.problem})")
    speech.save(out, mark=mark)
    if speech.problem:
        run.note(speech.problem)
    content = {
        "file": str(out),
        "model": lm.name,
        "component": lm.component,
        "to": to,
        "text": speech.text,
        "seconds": round(speech.seconds, 3),
        "sampling_rate": speech.sampling_rate,
        "problem": speech.problem,
        "neurons": 0 if chosen is None else len(chosen),
        "alpha": None if chosen is None else gain,
        "seed": run.seed,
        "marked": mark,
    }
    run.result(content, f"{out}: {speech.seconds:.2f} s, {speech.text or '(no words)'}")
