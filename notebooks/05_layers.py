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
# # Where in the network?
#
# **Question.** Are the neurons of an emotion spread over the whole decoder, or do they gather in a few
# layers? And if they gather, is that where the emotion is decided?
#
# **Hypothesis.** Hearing an emotion takes a few steps after the audio has come in, and the answer is spoken
# at the end. So the neurons should lie in a band in between, and the band should be needed.
#
# Everything runs offline on a laptop's processor in less than a minute.

# %%
import numpy as np

import esn_interp as esn

MODEL, CORPUS = "toy-omni", "toy-studio"  # a real model: "Qwen/Qwen2.5-Omni-7B", and a folder of your own

lm = esn.load(MODEL)
_, identification, evaluation = esn.corpus(CORPUS).split()

# %% [markdown]
# `per_clip=True` keeps what every single clip adds to the statistics. That costs memory, which is told
# first, and lets us ask later what other clips would have given, without running any of them again.

# %%
clips = identification.limit(150)
statistics = esn.collect(lm, clips, per_clip=True, progress=False)
esns = esn.select(statistics, "mad", top=0.02)
esns.plot()

# %% [markdown]
# ## A profile, and what chance would give
#
# Twenty neurons per emotion over eight layers: even a uniform draw would put five in some layer. So each
# profile stands before a grey band, the range of uniform draws. A *scan* looks at every run of neighbouring
# layers and compares the most crowded one with the most crowded of uniform draws: its p-value has paid for
# the looking.
#
# *Prediction:* one band per emotion, and short whiskers, which are what other speakers would change.

# %%
profile = esn.layer_profile(esns, statistics, resamples=30)
print(profile.summary())
profile.plot()

# %% [markdown]
# Some emotions gather in early layers, others hardly at all. How concentrated are they, in one number? Few
# neurons look uneven by chance, so the Gini coefficient stands beside that of uniform draws.

# %%
for at, emotion in enumerate(profile.emotions):
    print(
        f"{emotion:>8}: Gini {profile.gini[at]:.2f} (chance {profile.gini_null[at]:.2f}),"
        f" scan p {profile.scan_p[at]:.2g}, {profile.scan_holm[at]:.2g} after Holm over the emotions"
    )

# %% [markdown]
# ## Which emotions are alike?
#
# Emotions and layers are put beside those that they resemble. A number is a multiple of chance.

# %%
profile.plot_clusters()

# %% [markdown]
# ## Is it the selector?
#
# `mad` looks for large differences of the gate's mean, `cas` for differences of how often it fires. If the
# band were an artefact of large gates in some layers, `cas` need not show it.

# %%
cas = esn.select(statistics, "cas", top=0.02)
both = esn.layer_profile({"mad": esns, "cas": cas})
for band in both.bands:
    print(f"{both.labels[band.row]:>15}: {band.layers}, {band.fold:.1f} times chance, p {band.p:.2g}")

# %% [markdown]
# ## Is the band needed?
#
# A band is where the selected neurons are, not yet where anything is decided. So we silence, for each
# emotion, only its neurons inside one half of the network, and compare.
#
# *Prediction:* the half with the bands costs more recall than the other.

# %%
few = evaluation.limit(30)
middle = len(lm.widths) // 2
for name, inside in (("lower half", lambda layer: layer < middle), ("upper half", lambda layer: layer >= middle)):
    table = esns.to_frame()
    table["index"] = esns.flat
    part = {
        emotion: np.array(rows["index"][inside(rows.layer)], dtype=np.int64)
        for emotion, rows in table.groupby("emotion", sort=False)
    }
    half = esn.NeuronSet.from_indices(esns.origin, part)
    result = esn.ablation(lm, few, half, draws=2, progress=False)
    print(f"{name}, {len(half)} neurons: own recall {result.self_change.scaled(100):+.1f} points,", end=" ")
    print(f"others {result.cross_change.scaled(100):+.1f}, random {result.random_self.scaled(100):+.1f}")

# %% [markdown]
# ## How many clips did it take to see this?
#
# Statistics of any part of the clips follow from what was kept, to the bit. So we can ask how much of the
# sets two, five or ten clips per emotion would have found. The dashed line is the honest one: two studies
# that have no clip in common.

# %%
esn.efficiency(statistics, "mad", top=0.02, sizes=[2, 5, 10, 20], resamples=10).plot()

# %% [markdown]
# ## What we may say now, and what not
#
# The sets are not spread evenly, and other speakers would give much the same profile. Thirty clips make the
# comparison of halves a demonstration: look at its intervals before you believe the difference. And where
# neurons are *selected* is not where an emotion is *computed*: a later layer may only pass on what an
# earlier one found.
