"""Who listens to the conversions of a study, and what they make of each."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from esn_interp.analysis.conversion.measures import Outcome, Outcomes
from esn_interp.speech.audio import SAMPLE_RATE
from esn_interp.speech.clips import Clips
from esn_interp.studies.conversion.config import ConversionConfig
from esn_interp.tasks import judges
from esn_interp.tasks.conversion_record import Conversion, ConversionRun
from esn_interp.tasks.judges import EmotionJudge, SpeakerJudge, TranscriptJudge, prosody
from esn_interp.tasks.success import SuccessFilter, Verdict, judge

_EMOTION_ALONE = SuccessFilter(max_wer=None)


@dataclass(frozen=True)
class Judges:
    """Who listens, by name; each is loaded when it is first needed."""

    config: ConversionConfig

    @cached_property
    def filter(self) -> EmotionJudge:
        """Decides which conversions neurons are found on, and how to steer."""
        return judges.emotion(self.config.filter_judge)

    @cached_property
    def scorer(self) -> EmotionJudge:
        """Scores the outcome."""
        same = self.config.score_judge == self.config.filter_judge
        return self.filter if same else judges.emotion(self.config.score_judge)

    @cached_property
    def words(self) -> TranscriptJudge:
        """Hears what is said."""
        return judges.transcript(self.config.transcript_judge)

    @cached_property
    def voice(self) -> SpeakerJudge | None:
        """Compares voices, where there is such a judge."""
        return None if self.config.speaker_judge is None else judges.speaker(self.config.speaker_judge)

    def verdicts(self, run: ConversionRun) -> tuple[Verdict, ...]:
        """What the filter makes of each conversion."""
        return judge(
            run, emotion=self.filter, transcript=self.words, success=self.config.success, progress=False
        )

    def outcomes(
        self, run: ConversionRun, verdicts: Sequence[Verdict], clips: Clips, *, measured: bool
    ) -> Outcomes:
        """What becomes of each conversion; ``measured`` adds voice and prosody, which take their time."""
        scored = judge(run, emotion=self.scorer, success=_EMOTION_ALONE, progress=False)
        sources = dict(zip(clips.column("id"), range(len(clips)), strict=True))
        rows = [
            self._outcome(verdict, score, clips, sources[verdict.conversion.clip], measured=measured)
            for verdict, score in zip(verdicts, scored, strict=True)
        ]
        return Outcomes(tuple(rows), skipped=run.skipped)

    def _outcome(self, verdict: Verdict, score: Verdict, clips: Clips, row: int, *, measured: bool) -> Outcome:
        made = verdict.conversion
        unheard = 1.0 if made.transcript and not made.audible else float("nan")
        return Outcome(
            clip=made.clip,
            speaker=made.speaker,
            source=made.source_emotion,
            target=made.target,
            problem=made.kind,
            probabilities=_chances(score),
            filter_probabilities=_chances(verdict),
            wer=verdict.wer if made.audible else unheard,
            cer=verdict.cer if made.audible else unheard,
            text=made.text,
            heard=verdict.words,
            reasons=verdict.reasons,
            **(_voice(made) if measured and made.audible else {}),
            **(self._likeness(made, clips, row) if measured and made.audible else {}),
        )

    def _likeness(self, made: Conversion, clips: Clips, row: int) -> dict[str, float]:
        if self.voice is None:
            return {}
        source = clips[row].waveform()
        return {"similarity": self.voice.similarity(made.waveform, made.rate, source, SAMPLE_RATE)}


def _chances(verdict: Verdict) -> dict[str, float]:
    """A judge's probabilities by emotion; none where it heard nothing."""
    if verdict.emotion is None:
        return {}
    return dict(zip(verdict.emotions, np.asarray(verdict.probabilities, dtype=np.float64).tolist(), strict=True))


def _voice(made: Conversion) -> dict[str, float]:
    told = prosody(made.waveform, made.rate)
    return {name: getattr(told, name) for name in ("f0_mean", "f0_range", "energy", "rate", "duration")}
