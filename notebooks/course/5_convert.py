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
# # Lesson 5: convert
#
# **Question.** Can a model be made to *say* something with another emotion, by turning neurons while it speaks?
#
# **You will** convert a recording, listen, and let two judges listen. About ten minutes.

# %%
from checking import fair, judge

import esn_interp as esn
from esn_interp.tasks.success import SuccessFilter, conversion_statistics
from esn_interp.tasks.success import judge as judged

MODEL, CORPUS = "toy-omni", "toy-studio"  # a real model: "Qwen/Qwen2.5-Omni-7B", and a folder of your own

lm = esn.load_speaking(MODEL)
_, identification, evaluation = esn.corpus(CORPUS).split()
lm

# %% [markdown]
# ## The model's own attempts
#
# Neutral recordings, each said happily, angrily, sadly and fearfully. A judge says which emotion it hears, another
# one which words; attempts that carry neither are dropped.

# %%
targets = ("happy", "angry", "sad", "fearful")
attempts = esn.conversions(
    lm, identification.where(emotion="neutral").limit(12), targets, gates=True, batch_size=8, progress=False
)
verdicts = judged(
    attempts,
    emotion=esn.judges.emotion("toy-spectrum"),
    transcript=esn.judges.transcript("toy-ctc"),
    success=SuccessFilter(emotion_threshold=0.35, max_wer=0.25),
    progress=False,
)
statistics = conversion_statistics(lm, attempts, verdicts)
statistics

# %%
enough = min(statistics.kept.values()) > 0
esns = esn.select(statistics, "mad", top=0.1, scope="generated", filter="correct" if enough else "none")
esns.plot()

# %% [markdown]
# ## Before and after

# %%
source = evaluation.where(emotion="neutral")[0]
source

# %%
before = lm.convert(source, to="angry", seed=1)
before

# %%
after = lm.convert(source, to="angry", neurons=esns["angry"], alpha=0.5, seed=1)
after

# %% [markdown]
# ## Exercise 1: a fair comparison
#
# Which of these must be the same in both, so that what you hear is the edit? Name three of "recording", "seed",
# "request", "neurons", "alpha".

# %%
answer = None
print(fair(answer))

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# answer = {"recording", "seed", "request"}
# ```
#
# </details>

# %% [markdown]
# ## What a judge hears

# %%
scorer = esn.judges.emotion("toy-prosody")
for name, speech in (("before", before), ("after", after)):
    (probabilities,) = scorer.probabilities([speech.waveform], speech.sampling_rate)
    print(f"{name:>6}: angry {probabilities[scorer.emotions.index('angry')]:.2f}")

# %% [markdown]
# ## Exercise 2: who may report?
#
# "toy-spectrum" chose which attempts count. Who reports the effect: `"the same"` judge or `"the other"`?

# %%
answer = None
print(judge(answer))

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# answer = "the other"
# ```
#
# </details>

# %% [markdown]
# ## What we may say now, and what not
#
# One sentence of one voice. `esn evc study` does it with many, on voices that nobody heard, with random controls and
# what it costs in words; `esn evc listen` makes a blind test for ears.
