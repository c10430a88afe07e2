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
# # Is it causal?
#
# **Question.** We have a list of neurons that are more active for one emotion than for the others. Does the
# model *use* them to hear that emotion, or do they just come along?
#
# **Hypothesis.** If they are used, then taking them away costs their own emotion, and
#
# 1. taking another emotion's neurons away does not,
# 2. random neurons of the same layers do not,
# 3. it does not matter much *how* they are taken away,
# 4. tasks that have nothing to do with emotion go on as before.
#
# Every one of these could fail. If the second does, any damage would have done; if the fourth does, the model
# is simply broken.
#
# Everything runs offline on a laptop's processor in less than a minute.

# %%
import pandas as pd

import esn_interp as esn

MODEL, CORPUS = "toy-omni", "toy-studio"  # a real model: "Qwen/Qwen2.5-Omni-7B", and a folder of your own

lm = esn.load(MODEL)
_, identification, evaluation = esn.corpus(CORPUS).split()
statistics = esn.collect(lm, identification.limit(100), per_clip=True, progress=False)
neurons = esn.select(statistics, "mad", top=0.02)
some = evaluation.limit(50)
neurons

# %% [markdown]
# ## 1 and 2: their own emotion, another one's, random neurons
#
# Voices that were not used to find the neurons; all clips, also those that the model gets wrong. The outlined
# cells are where it should hurt. One more control, at the bottom: as many of the neurons that *fire most*.

# %%
result = esn.ablation(
    lm, some, neurons, stats=statistics, controls=["random", "lap"], draws=3, progress=False
)
result.plot()

# %% [markdown]
# Where do the answers go?

# %%
result.plot_confusion()

# %% [markdown]
# Numbers with their uncertainty. Clips of one speaker are not independent, so intervals and tests are taken
# over speakers; `p_holm` is corrected for asking about five emotions, and the effect size tells how many
# standard deviations between speakers the mean loss is. It is missing where a test needs more speakers, or
# where all of them lose everything.

# %%
print(result.summary())
frame = result.to_frame()
frame[(frame.neurons == "own") & (frame.relation == "self")][
    ["emotion", "baseline", "change", "low", "high", "speakers", "effect_size", "p_holm"]
].round(2)

# %% [markdown]
# ## 3: does it matter how?
#
# Zero may be a value that a gate never has, and the model might stumble over that. So write what the neurons
# do on average, or what they did while *somebody else* was heard.
#
# *Prediction:* a loss of the own emotion remains.

# %%
ways = {"zero": result}
for how in ("mean", "resample"):
    ways[how] = esn.ablation(
        lm, some, neurons, how=how, stats=statistics, donors=3, draws=1, draws_per_clip=1, progress=False
    )
pd.DataFrame(
    {
        how: {
            "own": f"{one.self_change.scaled(100):+.0f}",
            "other emotions": f"{one.cross_change.scaled(100):+.0f}",
            "random": f"{one.random_self.scaled(100):+.0f}",
        }
        for how, one in ways.items()
    }
)

# %% [markdown]
# ## 4: what else is lost?
#
# The same edits, and other questions: what was said, who speaks, is the feeling pleasant, is it aroused. And a
# text about maps, to be read without any sound.
#
# *Prediction:* transcription and sex stay. Valence and arousal may go, since they follow from the emotion.

# %%
costs = esn.side_effects(lm, some, neurons, limit=15, draws=1, progress=False)
costs.plot()

# %%
print(costs.summary())
for note in costs.notes:
    print("-", note)

# %% [markdown]
# The last note matters: this small model has never learnt to read prose, so what its perplexity does is of no
# interest. On a real model it is.
#
# ## What we may say now, and what not
#
# The neurons are *necessary* for hearing their emotion, as far as fifty clips can tell, and specifically so.
# We may not say that they are *sufficient*: that takes turning them up, which is the next question. Nor that
# they are the place where the emotion is worked out. They could as well be the last bridge over which it has
# to pass.
