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
# # Lesson 3: steer
#
# **Question.** Can the neurons be turned up, so that the model hears an emotion that is not there?
#
# **You will** turn one clip, measure a dose-response curve, and choose a gain without fooling yourself. About ten
# minutes.

# %%
from checking import honest, least_gain

import esn_interp as esn

MODEL, CORPUS = "toy-omni", "toy-studio"  # a real model: "Qwen/Qwen2.5-Omni-7B", and a folder of your own

lm = esn.load(MODEL)
validation, identification, evaluation = esn.corpus(CORPUS).split()
stats = esn.collect(lm, identification.limit(100), progress=False)
esns = esn.select(stats, "mad", top=0.02)

# %% [markdown]
# ## One clip
#
# A happy voice. The gates of the neurons of anger are multiplied by `1 + alpha`. Inside the `with` every run is
# steered; behind it the model is untouched, to the bit.

# %%
clip = validation.where(emotion="happy")[7]
clip

# %%
answers = {}
for alpha in (0, 1, 2, 4, 8, 16):
    with lm.steered(esns["angry"], alpha=alpha):
        answers[alpha] = lm.answer(clip, options=esns.emotions)
answers

# %% [markdown]
# ## Exercise 1: from where on?
#
# The least gain of these at which the clip is heard as "angry"; the word `"none"` if there is none.

# %%
answer = None
print(least_gain(answer, answers, "angry"))

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# answer = next((alpha for alpha, heard in answers.items() if heard == "angry"), "none")
# ```
#
# </details>

# %% [markdown]
# ## Many clips
#
# One clip is an anecdote. The curve below is over the clips of all other emotions; grey are random neurons.

# %%
doses = esn.dose_response(lm, validation.limit(25), esns, alphas=[0, 1, 2, 4, 8, 16], draws=1, progress=False)
doses.plot()

# %% [markdown]
# ## Exercise 2: where may the gain be chosen?
#
# We choose a gain by this curve, and report what it does. On which voices may it be *chosen*: `"validation"` or
# `"evaluation"`?

# %%
answer = None
print(honest(answer, "validation"))

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# answer = "validation"
# ```
#
# </details>

# %% [markdown]
# ## Report once
#
# The gain that was chosen on validation voices, on evaluation voices.

# %%
best = float(doses.doses[doses.best])
reported = esn.dose_response(lm, evaluation.limit(25), esns, alphas=[0, best], draws=1, progress=False)
reported

# %% [markdown]
# ## What we may say now, and what not
#
# Turned up, these neurons turn answers; random ones turn fewer. A clip in which the neurons are silent can't be
# turned by any gain. And a model that says one word whatever it hears has been broken, not steered: look at what is
# lost elsewhere (`side_clips=`).
