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
# # Lesson 2: prove
#
# **Question.** Does the model need the neurons that lesson 1 found, or do they only come along?
#
# **You will** switch neurons off, on voices that did not find them, and compare with random ones. About ten minutes.

# %%
import numpy as np
from checking import control, specificity

import esn_interp as esn

MODEL, CORPUS = "toy-omni", "toy-studio"  # a real model: "Qwen/Qwen2.5-Omni-7B", and a folder of your own

lm = esn.load(MODEL)
validation, identification, evaluation = esn.corpus(CORPUS).split()
stats = esn.collect(lm, identification.limit(100), progress=False)
esns = esn.select(stats, "mad", top=0.02)
esns

# %% [markdown]
# ## Predict first
#
# If the neurons of an emotion are what the model hears it with, then without them recall of *that* emotion falls, and
# recall of the others does not. As many random neurons of the same layers do nothing. Write down what you expect
# before you run the next cell.

# %%
result = esn.ablation(lm, evaluation.limit(40), esns, draws=3, progress=False)
result.plot()

# %%
result

# %% [markdown]
# ## Exercise 1: specificity
#
# `result.change` is `[set, emotion]`: the change of each emotion's recall (as a share) when the neurons of each set are
# off. By how many points do an emotion's own neurons cost it more than other emotions' neurons do?

# %%
own = np.eye(len(result.sets), dtype=bool)
answer = None
print(specificity(answer, result))

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# answer = 100 * (result.change[own].mean() - result.change[~own].mean())
# ```
#
# </details>

# %% [markdown]
# ## Exercise 2: the control
#
# Are random neurons, as many and of the same layers, harmless beside the emotion's own (half as much at most)? Answer
# `True` or `False`.

# %%
answer = None
print(control(answer, result))

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# answer = bool(np.nanmean(np.diag(result.random_change)) >= np.nanmean(np.diag(result.change)) / 2)
# ```
#
# </details>

# %% [markdown]
# ## What is heard instead?

# %%
result.plot_confusion()

# %% [markdown]
# ## What we may say now, and what not
#
# On these voices the model needs these neurons, and random ones do not matter as much: if that is what you saw.
# Three random draws and forty clips make an illustration; `esn ablate` with 20 draws and all voices makes an
# argument, with intervals over speakers.
