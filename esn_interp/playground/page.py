"""The page of the playground: what is on it, and which function of the bench each control calls."""

import threading
from collections.abc import Callable
from functools import partial
from typing import Any

from esn_interp.errors import EsnError
from esn_interp.models.gate_figure import SOUNDS
from esn_interp.playground.bench import ALPHAS, LONGEST, SELECTORS, TOPS, Bench, Heard, Settings
from esn_interp.playground.lesson import Lesson, lesson
from esn_interp.playground.parts import (
    answer_table,
    heard_player,
    map_frame,
    neuron_links,
    speech_player,
)
from esn_interp.playground.voice import TARGETS, Voice
from esn_interp.speech.clips import Clip

_INTRO = """# Playground

Pick a recording, turn the neurons of an emotion up or down, and see the answer of **{model}** change. Everything runs
on this machine; recordings are not kept and nothing is sent anywhere."""
_LIMITS = f"Up to {LONGEST:g} seconds. It is heard once, in memory, and not kept."


def build(bench: Bench, voice: Voice) -> Any:
    """The page, as gradio's blocks; one visitor's wish is carried out at a time, since there is one model."""
    import gradio as gr

    one_at_a_time = threading.Lock()
    clips = _choices(bench)
    first = bench.clips[0]

    def told(work: Callable[..., Any]) -> Callable[..., Any]:
        """A mistake of the user's as a note on the page, in our one line."""

        def run(*given: Any) -> Any:
            try:
                with one_at_a_time:
                    return work(*given)
            except EsnError as error:
                raise gr.Error(str(error), print_exception=False) from None

        return run

    def settings_of(emotion: str, selector: str, top: float, alpha: float) -> Settings:
        return Settings(emotion, selector, float(top), float(alpha))

    def view(heard: Heard, settings: Settings) -> tuple[str, str]:
        return answer_table(bench.answer(heard, settings)), bench.code(heard, settings)

    def picked(name: str, *sliders: Any) -> tuple[Any, ...]:
        heard = bench.hear_clip(clips[name]())
        return heard, heard_player(heard), *view(heard, settings_of(*sliders))

    def uploaded(path: str | None, heard: Heard, *sliders: Any) -> tuple[Any, ...]:
        own = heard if path is None else bench.hear_file(path)
        return own, heard_player(own), *view(own, settings_of(*sliders))

    def turned(heard: Heard, *sliders: Any) -> tuple[str, str]:
        return view(heard, settings_of(*sliders))

    def where(*sliders: Any) -> tuple[str, str]:
        settings = settings_of(*sliders)
        return map_frame(settings), neuron_links(bench.strongest(settings))

    def in_time(heard: Heard, below: str, *sliders: Any) -> Any:
        settings = settings_of(*sliders)
        pairs = [(layer, neuron) for layer, neuron, _ in bench.strongest(settings, most=6)]
        return bench.lm.gates(heard.clip or heard.waveform).plot(neurons=pairs, sound=below)

    def say(heard: Heard, target: str, alpha: float) -> tuple[str, str]:
        before, after = voice.say(heard, target, float(alpha))
        return speech_player(before, f"{target}, unsteered"), speech_player(after, f"{target}, alpha {alpha:g}")

    taught: list[Lesson] = []

    def step(at: int) -> tuple[Any, ...]:
        if not taught:
            taught.append(lesson(bench))
            clips[_name(taught[0].clip)] = lambda: taught[0].clip
        chosen = taught[0].steps[at]
        heard = bench.hear_clip(taught[0].clip)
        set_to = chosen.settings
        text = f"### {at + 1} of {len(taught[0].steps)}: {chosen.title}\n\n{chosen.text}"
        sliders = (set_to.emotion, set_to.selector, set_to.top, set_to.alpha)
        pick = gr.Dropdown(choices=list(clips), value=_name(taught[0].clip))
        return text, pick, heard, heard_player(heard), *sliders, *view(heard, set_to), *where(*sliders)

    with gr.Blocks(title="esn_interp playground", analytics_enabled=False, delete_cache=(60, 60)) as page:
        heard = gr.State(None)
        gr.Markdown(_INTRO.format(model=bench.lm.name), elem_classes="esn-text")
        with gr.Row():
            with gr.Column(min_width=300):
                gr.Markdown("## Recording")
                clip = gr.Dropdown(list(clips), value=next(iter(clips)), label="A recording of the corpus")
                sound = gr.HTML()
                own = gr.Audio(sources=["upload", "microphone"], type="filepath", label="Or your own", editable=False)
                gr.Markdown(_LIMITS)
            with gr.Column(min_width=300):
                gr.Markdown("## Neurons")
                target = next(name for name in bench.emotions if name != first.emotion)
                emotion = gr.Radio(list(bench.emotions), value=target, label="Neurons of")
                selector = gr.Dropdown(list(SELECTORS), value="mad", label="Found by")
                top = gr.Dropdown([(f"{100 * t:g} %", t) for t in TOPS], value=0.02, label="Share of all gates")
                alpha = gr.Slider(*ALPHAS, value=0, step=0.25, label="alpha: gates × (1 + alpha)", elem_id="esn-alpha")
            with gr.Column(min_width=300):
                gr.Markdown("## Answer")
                answer = gr.HTML(elem_id="esn-answer-box")
        with gr.Tabs():
            with gr.Tab("Map"):
                frame, links = gr.HTML(), gr.HTML()
            with gr.Tab("In time"):
                gr.Markdown("The strongest of these neurons while the recording is heard.")
                below = gr.Radio(list(SOUNDS), value=SOUNDS[0], label="Below them")
                draw = gr.Button("Draw the gates over the recording")
                gates = gr.Plot(show_label=False)
            with gr.Tab("Say it again"):
                gr.Markdown(
                    "The model says the recording with another emotion. The first time takes about a minute: its"
                    " speaking neurons are looked for."
                )
                with gr.Row():
                    to = gr.Radio(list(TARGETS), value="angry", label="Say it")
                    force = gr.Slider(0, 2, value=0.5, step=0.1, label="alpha while it speaks")
                speak = gr.Button("Say it")
                with gr.Row():
                    before, after = gr.HTML(), gr.HTML()
            with gr.Tab("Lesson"):
                text = gr.Markdown("Five steps, from hearing to doubting.", elem_classes="esn-text")
                with gr.Row():
                    steps = [gr.Button(f"Step {at + 1}", elem_id=f"esn-step-{at + 1}") for at in range(5)]
            with gr.Tab("Python"):
                gr.Markdown("What you see, as a script: copy it and go on from there.")
                label = "The Python that makes this view"
                code = gr.Code(language="python", label=label, interactive=False, wrap_lines=True, elem_id="esn-code")

        sliders: list[Any] = [emotion, selector, top, alpha]
        quiet: Any = {"show_progress": "hidden", "trigger_mode": "always_last", "api_visibility": "private"}
        shown: list[Any] = [heard, sound, answer, code]
        page.load(told(picked), [clip, *sliders], shown, **quiet)
        page.load(told(where), sliders, [frame, links], **quiet)
        clip.input(told(picked), [clip, *sliders], shown, **quiet)
        own.change(told(uploaded), [own, heard, *sliders], shown, **quiet)
        for control in sliders:
            control.input(told(turned), [heard, *sliders], [answer, code], **quiet)
        for control in sliders[:3]:
            control.input(told(where), sliders, [frame, links], **quiet)
        draw.click(told(in_time), [heard, below, *sliders], gates, api_visibility="private")
        speak.click(told(say), [heard, to, force], [before, after], api_visibility="private")
        everything = [text, clip, heard, sound, *sliders, answer, code, frame, links]
        for at, button in enumerate(steps):
            button.click(told(partial(step, at)), None, everything, **quiet)
    page.queue(default_concurrency_limit=1, max_size=32)
    return page


def _choices(bench: Bench) -> dict[str, Callable[[], Any]]:
    """The clips that can be picked, by what a list says of each; emotions take turns."""
    some = bench.clips.limit(min(60, len(bench.clips)))
    return {_name(clip): (lambda at=at: some[at]) for at, clip in enumerate(some)}


def _name(clip: Clip) -> str:
    """What a list says of a clip."""
    return f"{clip.speaker}: {clip.emotion}, “{clip.transcript or clip.id}”"
