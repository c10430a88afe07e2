# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Conversion by ear
#
# **Question.** A model is asked to repeat a sentence in an angry voice. It does so half-heartedly. Are there neurons
# in it that carry the anger of its *own* speech, and does it sound angrier when they are turned up?
#
# **Hypothesis.** If there are, turning them up moves the voice towards the emotion, turning up as many random
# neurons of the same layers does not, and the words stay.
#
# Everything runs offline in less than a minute, on a few clips. So listen, and don't count: the last cell says how to
# count.

# %%
import pandas as pd
from IPython.display import HTML

import esn_interp as esn
from esn_interp.tasks.success import SuccessFilter, conversion_statistics, judge

MODEL, CORPUS = "toy-omni", "toy-studio"  # a real model: "Qwen/Qwen2.5-Omni-7B", and a folder of your own

lm = esn.load_speaking(MODEL)
_, identification, evaluation = esn.corpus(CORPUS).split()
lm

# %% [markdown]
# These are the gates of the part that speaks, the talker. The part that listens and writes, the thinker, stays
# as it is.
#
# ## The model's own attempts
#
# A few neutral recordings, each to be said happily, angrily, sadly and fearfully. As the model speaks, its gates are
# summed up. Then judges listen, small models of their own: one says which emotion it hears, one which words.

# %%
targets = ("happy", "angry", "sad", "fearful")
attempts = esn.conversions(
    lm,
    identification.where(emotion="neutral").limit(16),
    targets,
    gates=True,
    batch_size=8,
    progress=False,
)
verdicts = judge(
    attempts,
    emotion=esn.judges.emotion("toy-spectrum"),
    transcript=esn.judges.transcript("toy-ctc"),
    success=SuccessFilter(emotion_threshold=0.35, max_wer=0.25),
    progress=False,
)
attempted = pd.DataFrame({"target": v.conversion.target, "heard": v.emotion, "kept": v.kept} for v in verdicts)
attempted.groupby("target").kept.agg(["sum", "count"])

# %% [markdown]
# Some attempts succeed, many don't. Neurons are looked for in the successes: gates that open further when one emotion
# is said than when the others are. Only what is generated counts here, since the request names the emotion too.
#
# A handful of successes says little: with six of them a neuron is chosen by who happened to succeed. So the successes
# alone are used from ten of each emotion on, as `collect` would have it; with fewer, all attempts are.

# %%
statistics = conversion_statistics(lm, attempts, verdicts)
enough = min(statistics.kept.values()) >= 10
esns = esn.select(statistics, "mad", top=0.1, scope="generated", filter="correct" if enough else "none")
print(statistics.kept, "of", statistics.seen, "- the successes alone" if enough else "- too few, so all attempts")
esns.plot()

# %% [markdown]
# ## Source, unsteered, steered, random
#
# One recording of a voice that had no part in this, said four times over. The neurons' gates are multiplied by
# `1 + alpha`. Everything that is drawn at random is drawn alike, so that the columns differ by the edit alone.
#
# *Prediction:* steered speech is the more emotional one, random neurons change little.

# %%
alpha = 0.5
source = evaluation.where(emotion="neutral")[0]
random = esns.random_like(0)
said = {
    target: {
        "unsteered": lm.convert(source, to=target),
        "steered": lm.convert(source, to=target, neurons=esns[target], alpha=alpha),
        "random": lm.convert(source, to=target, neurons=random[target], alpha=alpha),
    }
    for target in targets
}
heard = esn.Speech(source.waveform(), 16_000, source.transcript)
rows = "".join(
    f"<tr><th>{target}</th><td>{heard._repr_html_()}</td>"
    + "".join(f"<td>{speech._repr_html_()}</td>" for speech in by_condition.values())
    + "</tr>"
    for target, by_condition in said.items()
)
narrow = "<style>.by-ear audio { width: 15em !important; }</style>"
head = "<tr><th></th><th>source</th><th>unsteered</th><th>steered</th><th>random</th></tr>"
HTML(f"{narrow}<table class='by-ear'>{head}{rows}</table>")

# %% [markdown]
# ## What a judge hears, and what can be measured
#
# The judge below is not the one that chose the attempts. Pitch in Hz, level in dB, duration in seconds.

# %%
scorer = esn.judges.emotion("toy-prosody")
table = []
for target, by_condition in said.items():
    for condition, speech in by_condition.items():
        (probabilities,) = scorer.probabilities([speech.waveform], speech.sampling_rate)
        voice = esn.judges.prosody(speech.waveform, speech.sampling_rate)
        chance = dict(zip(scorer.emotions, probabilities.round(2), strict=True))
        table.append(
            {
                "target": target,
                "condition": condition,
                "heard": scorer.emotions[int(probabilities.argmax())],
                "probability of the target": chance[target],
                "pitch": round(voice.f0_mean),
                "level": round(voice.energy, 1),
                "duration": round(voice.duration, 2),
            }
        )
pd.DataFrame(table).set_index(["target", "condition"])

# %% [markdown]
# ## What we may say now, and what not
#
# One sentence of one voice is an illustration. Whether steering carries over to voices that nobody has heard, what
# it costs in words, which selector, how many neurons and how much gain: that takes many conversions, three sets of
# speakers that share no one, and random controls. One command does all of it in less than half an hour, and writes
# a report with players: `esn evc study --out DIR`. And `esn evc listen DIR` makes a blind test of its pairs, for
# ears other than yours.
