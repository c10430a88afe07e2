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
# # Lesson 1: find
#
# **Question.** Which gates of the model fire more for one emotion than for the others?
#
# **You will** collect statistics, score gates by hand, and read the map. About ten minutes.
#
# Exercises have a cell with `None` in it: put your answer there and run it. A check says whether it is right; the
# solution is folded up below.

# %%
import numpy as np
from checking import layer, score

import esn_interp as esn

MODEL, CORPUS = "toy-omni", "toy-studio"  # a real model: "Qwen/Qwen2.5-Omni-7B", and a folder of your own

lm = esn.load(MODEL)
validation, identification, evaluation = esn.corpus(CORPUS).split()
lm

# %% [markdown]
# ## Listen
#
# The same sentence, twice. Which emotions do you hear?

# %%
angry = evaluation.where(emotion="angry")[0]
angry

# %%
same = evaluation.where(emotion="neutral", speaker=angry.speaker)
same[0]

# %%
{clip.emotion: lm.answer(clip) for clip in (angry, same[0])}

# %% [markdown]
# ## Collect
#
# One pass over the identification voices: what every gate does on every emotion, over the clips that the model gets
# right. (What it does on clips that it mistakes says little of what it hears.)

# %%
stats = esn.collect(lm, identification.limit(100), progress=False)
stats

# %% [markdown]
# ## Select
#
# A *selector* is a formula for how much a gate goes with an emotion. `mad` is the simplest: the gate's mean on this
# emotion, minus its mean on the others.

# %%
esns = esn.select(stats, "mad", top=0.02)
esns

# %% [markdown]
# ## Exercise 1: the formula
#
# `table` is `[emotion, gate]`: the mean of every gate on every emotion; `np.delete(table, row, axis=0)` leaves a row
# out. Compute the mean deviation for "angry", one number for each gate.

# %%
rates = stats.rates(scope=esns.parameters["scope"], pooling=esns.parameters["pooling"])
row = rates.emotions.index("angry")
table = np.asarray(rates.mean)
answer = None
print(score(answer, stats, esns, "angry"))

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# others = np.delete(table, row, axis=0).mean(axis=0)
# answer = table[row] - others
# ```
#
# </details>

# %% [markdown]
# ## The map
#
# Rows are layers, marks are neurons. On the right, how many there are: white where a uniform spread gives such
# numbers too, blue where there are more.

# %%
esns.plot()

# %% [markdown]
# ## Exercise 2: where
#
# Which layer holds most neurons of "angry"? Read it off the map, or count.

# %%
answer = None
print(layer(answer, esns, "angry"))

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# answer = int(esns["angry"].counts()[0].argmax())
# ```
#
# </details>

# %% [markdown]
# ## What we may say now, and what not
#
# These gates go along with emotions on the voices that found them. Whether the model *uses* them, nobody knows yet:
# that is lesson 2.
