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
# # How much gain?
#
# **Question.** Turning the neurons of anger up makes a model hear anger where there is none. How far must
# they be turned, how many of them, and at which tokens? And what does it cost?
#
# **Hypothesis.** If the neurons are what the emotion is heard with, the effect grows with the dose and levels
# off, as with any drug. There is a dose between too little to matter and too much to survive.
#
# Everything here runs offline, on a laptop's processor, in less than a minute.

# %%
import esn_interp as esn

MODEL, CORPUS = "toy-omni", "toy-studio"  # a real model: "Qwen/Qwen2.5-Omni-7B", and a folder of your own

lm = esn.load(MODEL)
validation, identification, evaluation = esn.corpus(CORPUS).split()
statistics = esn.collect(lm, identification.limit(100), progress=False)
esns = esn.select(statistics, "mad", top=0.05)
esns

# %% [markdown]
# A dose is *chosen* here, and what is best on some clips looks better than it is on just these. So we look
# for it on validation voices, and leave the evaluation voices for the end.

# %%
some = validation.limit(25)

# %% [markdown]
# ## The gain
#
# The gates are multiplied by `1 + alpha`. At 0 nothing is changed, at -1 the neurons are silent.
#
# *Prediction:* below 0 the model stops hearing the target even in its own clips (lower panel). Above 0, more
# and more clips of other emotions are heard as the target (upper panel); random neurons do nothing.

# %%
doses = esn.dose_response(
    lm, some, esns, alphas=[-1, 0, 1, 2, 4, 8, 16, 32, 64], draws=1, progress=False
)
doses.plot()

# %% [markdown]
# The dotted curve is a sigmoid in the logarithm of the dose, and the cross is its EC50: the gain at which
# half of the effect is there. Where a curve has not levelled off, half of it is anybody's guess, and no
# number is given. The intervals are wide: they are over speakers, and there are four.

# %%
for emotion, fit in zip(doses.sets, doses.set_sigmoids, strict=True):
    print(f"{emotion:>8}: EC50 {fit.ec50:.1f}  {fit.note}")
print(f"    mean: EC50 {doses.sigmoid.ec50:.1f}  {doses.sigmoid.note}")

# %% [markdown]
# ## Where, and at what price?
#
# The same neurons at the same gain, edited at the audio tokens only, at those of the question, at the last
# one (where the answer is decided), or at all. With `side_clips`, a few clips are also asked for a free
# answer, for a transcript, and for the speaker's sex.
#
# *Prediction:* all tokens together do most, and break most.

# %%
scopes = esn.dose_response(
    lm, some, esns, scopes=["audio", "text", "last", "all"], alpha=16, draws=1, side_clips=5, progress=False
)
scopes.plot()

# %% [markdown]
# The last token by itself does most of what all of them do, and the transcript suffers less. Doses at which
# more than ten points are lost elsewhere are shaded; on five clips, that is a rough warning and no more.
#
# ## How many neurons?
#
# Sets of other sizes, from the same statistics.

# %%
sizes = esn.dose_response(
    lm, some, esns, tops=[0.002, 0.005, 0.01, 0.05], stats=statistics, alpha=16, draws=1, progress=False
)
sizes.plot()

# %% [markdown]
# A handful of neurons do much of it: 0.5 % of this model's gates are five for each emotion.
#
# ## Does it help?
#
# So far we told the model what to hear. Now it is to recognise what is there, and nobody knows the label:
# steer with the neurons of the model's own first answer (`two_pass`), with all sets as far as it believes in
# each (`mix`), or with all alike (`union`). The `oracle` is told the label. This once on evaluation voices.

# %%
result = esn.injection(lm, evaluation.limit(40), esns, alphas=[1, 4, 16], draws=1, progress=False)
result.plot()

# %% [markdown]
# Only the oracle gains. What the model gets wrong, its first answer gets wrong as well, and reinforcing that
# answer does not correct it. The neurons steer the answer, but they hold no knowledge that the model does
# not use already.
#
# ## What we may say now, and what not
#
# There is a dose, it is moderate, and it matters where it is given. The numbers are those of a small model
# with clean neurons and of a few dozen clips: an EC50 of this network says nothing about another. The way of
# asking carries over: `esn.load("Qwen/Qwen2.5-Omni-7B")`, more clips, twenty random draws, and doses chosen
# on voices that are not reported.
