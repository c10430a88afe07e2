"""What smol-audio was trained to be asked: emotion, words, sex."""

import argparse
from typing import Any

import jiwer
import numpy as np
import torch

import esn_interp as esn
from esn_interp.analysis.inference.significance import RATE
from esn_interp.models.labels import label_tokens
from esn_interp.tasks.recognition import Recognition
from smol_audio.clips import in_batches, mean_over, mean_recall, part_of


def aims(lm: Any, arguments: argparse.Namespace) -> dict[str, Any]:
    evaluation = part_of(esn.corpus("toy-studio").split()[-1], arguments.clips)
    people, size = part_of(esn.corpus("emodb-sample"), arguments.people), arguments.batch_size
    words = part_of(evaluation, arguments.words)
    return {
        "toy-studio": recognition(lm, evaluation, size),
        "emodb-sample": recognition(lm, people, size),
        "word_error_rate": transcripts(lm, words, size),
        "sex": sex(lm, words, size),
        "sex, emodb-sample": sex(lm, people, size),
    }


def recognition(lm: Any, clips: Any, size: int) -> dict[str, Any]:
    """Right answers to the multiple choice in words: by the score of the toolkit, and by sums over a label's tokens."""
    asked = Recognition(tuple(clips.emotions))
    lengths = [len(tokens) for tokens in label_tokens(lm.processor.tokenizer, asked.emotions)]
    by_mean, by_sum, again = list[int](), list[int](), list[int]()
    for some in in_batches(clips, size):
        encoded = lm.encode([clip.waveform() for clip in some], asked.prompt)
        by_mean += lm.scores(encoded, asked.emotions).argmax(axis=1).tolist()
        sums = summed(lm, encoded, asked.emotions)
        by_sum += sums.argmax(axis=1).tolist()
        again += (sums / lengths).argmax(axis=1).tolist()
    truth, speakers = np.array(clips.column("emotion")), list(clips.column("speaker"))
    found = {name: np.array(asked.emotions)[answers] for name, answers in (("mean", by_mean), ("sum", by_sum))}
    return {
        **scored(found["mean"], truth, speakers, asked.emotions),
        "by_sum": scored(found["sum"], truth, speakers, asked.emotions),
        # Two ways to the same scores, one token by token and one label by label, which rounding may part.
        "agreeing": float(np.mean(np.array(by_mean) == np.array(again))),
        "tokens": dict(zip(asked.emotions, lengths, strict=True)),
    }


def scored(found: np.ndarray, truth: np.ndarray, speakers: list[str], emotions: tuple[str, ...]) -> dict[str, Any]:
    right = found == truth
    return {
        **mean_recall(right, truth, speakers),
        "recall": {one: float(right[truth == one].mean()) for one in emotions},
        "answered": {one: float((found == one).mean()) for one in emotions},
    }


def summed(lm: Any, encoded: Any, labels: tuple[str, ...]) -> np.ndarray:
    """Log-probability of each label, summed over its tokens: the decoder runs anew with the label behind the prompt."""
    prompt, mask = encoded.decoder_inputs["inputs_embeds"], encoded.decoder_inputs["attention_mask"]
    columns: list[torch.Tensor] = []
    for label in label_tokens(lm.processor.tokenizer, labels):
        ids = torch.tensor(label, device=prompt.device).expand(len(prompt), -1)
        embedded = torch.cat([prompt, lm.model.get_input_embeddings()(ids)], dim=1)
        longer = torch.cat([mask, mask.new_ones(ids.shape)], dim=1)
        ran = lm.model.model.language_model(inputs_embeds=embedded, attention_mask=longer, use_cache=False)
        logits = lm.model.lm_head(ran.last_hidden_state[:, -len(label) - 1 : -1])
        columns.append(logits.float().log_softmax(-1).gather(-1, ids[..., None]).sum(dim=(1, 2)))
    return torch.stack(columns, dim=1).cpu().numpy()


def transcripts(lm: Any, clips: Any, size: int) -> dict[str, Any]:
    """Mean over clips of the share of words that are wrong; an empty answer misses every word."""
    errors, samples = list[float](), list[dict[str, str]]()
    for some in in_batches(clips, size):
        written = lm.generate([clip.waveform() for clip in some], "Transcribe the speech.", max_new_tokens=20)
        heard = [one.lower().strip(" .") or "-" for one in written]
        errors += [jiwer.wer(clip.transcript.lower(), one) for clip, one in zip(some, heard, strict=True)]
        samples += [{"said": clip.transcript, "written": one} for clip, one in zip(some, written, strict=True)]
    return {**mean_over(errors, clips), "samples": samples[:: max(1, len(samples) // 10)][:10]}


def sex(lm: Any, clips: Any, size: int) -> dict[str, Any]:
    right: list[bool] = []
    for some in in_batches(clips, size):
        encoded = lm.encode([clip.waveform() for clip in some], "Is the speaker male or female?")
        told = np.where(lm.scores(encoded, ("male", "female")).argmax(axis=1) == 0, "male", "female")
        right += [one == clip.sex for one, clip in zip(told, some, strict=True)]
    return mean_over(right, clips, within=RATE)
