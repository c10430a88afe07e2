"""Speaking: what a model says aloud about a clip, or about many, with its gates read and edited as it speaks."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int

from esn_interp.errors import ModelError
from esn_interp.models.acting import Untouched
from esn_interp.models.conversion import convert
from esn_interp.models.edits import Edit
from esn_interp.models.families.info import THINKER
from esn_interp.models.families.manner import Manner
from esn_interp.models.families.spoken import Live, SpeechRequest, SpeechRun, Spoken
from esn_interp.models.gate_view import Tap
from esn_interp.models.opened import Neurons, Opened
from esn_interp.speech.audio import waveform_of
from esn_interp.speech.playable import Speech

TapFor = Callable[[Int[np.ndarray, "clip token"], Bool[np.ndarray, " clip"]], Tap]
"""Makes the tap of one run, from the scopes of the tokens that the stack sees first (-1 is padding; a single
``generated`` token where it sees nothing else), and which clips are still being spoken (it changes as they end)."""


class Speaking(Opened):
    """The part of an `AudioLM` that speaks."""

    def speak(
        self,
        audio: Any,
        prompt: str = "",
        *,
        edits: Sequence[Edit] = (),
        tap: Tap | None = None,
        manner: Manner | None = None,
        seed: int = 0,
    ) -> Spoken:
        """What the model says aloud about one clip; edits of this component's gates act at every step.

        A talker that reads the prompt does so in its first step, where its tokens have the prompt's scopes; a stack
        that sees nothing but speech has all of its tokens in scope ``generated``. To edit another component of the
        same loaded model, open it with ``load(lm.model, processor=lm.processor, component=...)``.

        Parameters
        ----------
        audio
            A path, a waveform at 16 kHz or a clip; None where the model can speak without hearing.
        manner
            In whose voice, for how long at most, and how codes of speech are chosen; the model's own by default.
        seed
            Speech codes are sampled, and vocoders may begin with noise: the same seed gives the same speech, so that
            two edits differ by nothing else.

        Raises
        ------
        ModelError
            When the model does not speak, not with this voice or not in this manner, or its speech could not be made
            sound.
        EditError
            When an edit touched no token, because the model said nothing, for example.
        """
        waveform = None if audio is None else waveform_of(audio)
        tap_for = None if tap is None else lambda scopes, live: tap  # pyright: ignore[reportUnknownLambdaType]
        request = SpeechRequest([waveform], prompt, [seed], manner or Manner(), self.system)
        (said,) = self._said(request, edits, tap_for, strict=True)
        if said.failure is not None:
            raise ModelError(said.failure)
        return said

    def speak_all(
        self,
        waveforms: Sequence[Float[np.ndarray, " _sample"]],
        prompt: str,
        *,
        seeds: Sequence[int],
        manner: Manner | None = None,
        system: str | None = None,
        edits: Sequence[Edit] = (),
        tap_for: TapFor | None = None,
    ) -> list[Spoken]:
        """What the model says about each clip of a batch, in one run where its kind can do that.

        Every clip is spoken as if it were alone: with its own seed, and with no part in what befalls another. So a
        clip that nothing is said about, or whose codes can't be made sound, is no error here; its `Spoken` says so.

        Parameters
        ----------
        seeds
            One for each clip.
        system
            In the place of the model's own system prompt.
        tap_for
            Is called once before every run, and once for each clip where clips are spoken one by one.

        Raises
        ------
        ModelError
            When the model does not speak, not with this voice or not in this manner.
        """
        manner, system = manner or Manner(), self.system if system is None else system
        if self.family.speaks_together and len(waveforms):
            return self._said(SpeechRequest(waveforms, prompt, seeds, manner, system), edits, tap_for)
        return [
            said
            for waveform, seed in zip(waveforms, seeds, strict=True)
            for said in self._said(SpeechRequest([waveform], prompt, [seed], manner, system), edits, tap_for)
        ]

    def convert(
        self,
        audio: Any,
        *,
        to: str,
        neurons: Neurons | None = None,
        alpha: float = 0.0,
        voice: str | None = None,
        greedy: bool = False,
        seed: int = 0,
    ) -> Speech:
        """A clip with another emotion, to be heard: `esn_interp.models.conversion.convert`, with its usual request.

        ``neurons`` are multiplied by ``1 + alpha`` while it is said; without them the model does what it can.
        """
        manner = Manner(voice, greedy=greedy)
        return convert(self, audio, to=to, neurons=neurons, alpha=alpha, manner=manner, seed=seed)

    def inaudible(self, layers: Sequence[int]) -> str | None:
        """What somebody must be told who edits these layers to change speech; None when there is nothing to tell."""
        return self.family.inaudible(self.model, self.component, layers)

    def _said(
        self, request: SpeechRequest, edits: Sequence[Edit], tap_for: TapFor | None, *, strict: bool = False
    ) -> list[Spoken]:
        """One run; ``strict`` minds edits that touched nothing because nothing was said."""
        family, manner = self.family, request.manner
        if unknown := sorted(set(manner.decoding) - set(family.decoding)):
            can = f"knows only {', '.join(family.decoding)}" if family.decoding else "can't be told how"
            raise ModelError(f"{family.title} chooses codes of speech itself: it {can}; leave out {unknown[0]}")
        if manner.voice is not None and not family.voices:
            raise ModelError(f"{family.title} has no voices to choose from; leave out voice")
        for words in (request.prompt, request.system or ""):
            self.processor.require_words(words)
        live = Live(len(request.waveforms))
        inputs = self._on_device(family.speech_inputs(self.processor, request))
        scopes = family.speech_scopes(self.component, inputs)
        tap = None if tap_for is None else tap_for(scopes.cpu().numpy(), live.rows(self.component))
        run = SpeechRun(self.model, self.processor, request, inputs, live)
        said: list[Spoken] = []

        def fn(max_new_tokens: int) -> None:
            said.extend(family.speak(run))

        with torch.random.fork_rng():
            torch.manual_seed(request.seeds[0])
            try:
                self._run(fn, {"max_new_tokens": manner.max_new_tokens}, scopes, edits, tap)
                unspoken = all(one.silent for one in said) and self.component not in (family.answering or (THINKER,))
                if self.carried.plan == "scaled" and unspoken:  # a trace would have missed these gates
                    raise Untouched(f"{self.name}: nothing was said, so the edits of the {self.component} did nothing")
            except Untouched:
                if strict or not said or not all(one.silent for one in said):
                    raise
        return said
