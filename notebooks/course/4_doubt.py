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
# # Lesson 4: doubt
#
# **Question.** We found neurons, proved them and steered by them. What could still be wrong?
#
# **You will** test whether a set is more than its corpus, and set a *planted* neuron beside a *grown* one. About
# fifteen minutes.

# %%
import warnings

import numpy as np
from checking import planted, same_corpus

import esn_interp as esn

MODEL, CORPUS = "toy-omni", "toy-studio"  # a real model: "Qwen/Qwen2.5-Omni-7B", and a folder of your own

lm = esn.load(MODEL)
validation, identification, evaluation = esn.corpus(CORPUS).split()
stats = esn.collect(lm, identification.limit(100), progress=False)
esns = esn.select(stats, "mad", top=0.02)

# %% [markdown]
# ## Another corpus
#
# Other voices, other sentences, over a telephone. If the neurons are about emotion, the same ones should be found.

# %%
_, elsewhere, _ = esn.corpus("toy-phone").split()
others = esn.select(esn.collect(lm, elsewhere.limit(100), progress=False), "mad", top=0.02)
shared = esn.overlap(esns, others)
shared

# %%
jaccard = shared.pairs[0].jaccard
inside, across = float(np.diag(jaccard).mean()), float(jaccard[~np.eye(len(jaccard), dtype=bool)].mean())
print(f"same emotion {inside:.2f}, different emotions {across:.2f} (Jaccard)")

# %% [markdown]
# ## Exercise 1: more than chance?
#
# Do the two corpora share `"more"` neurons of the same emotion (twice as many) than of different ones, or `"as many"`?

# %%
answer = None
print(same_corpus(answer, inside, across))

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# answer = "more" if inside > 2 * across else "as many"
# ```
#
# </details>

# %% [markdown]
# ## A planted neuron
#
# This model was *taught* to name emotions of synthetic voices, on exactly this question. That it has neurons for
# them is no discovery: the training planted them. It shows that the tools find what is there.
#
# Here is a harder test of the tools. We take one gate that does nothing for "angry" and *plant* it: we make it fire
# on angry clips by an edit, then ask whether an analysis that does not know of it would call it special. Its score
# is as high as we care to make it, and its effect on the answer stays what it was.

# %%
rates = stats.rates(scope=esns.parameters["scope"], pooling=esns.parameters["pooling"])
row = rates.emotions.index("angry")
deviation = rates.mean[row] - np.delete(rates.mean, row, axis=0).mean(axis=0)
quiet = int(np.abs(deviation).argmin())
layer, neuron = (int(part[0]) for part in stats.origin.locate(np.array([quiet])))
planted_edit = esn.Edit(layer, np.array([neuron]), gain=0.0, shift=5 * float(deviation.max()))
clip = validation.where(emotion="neutral")[0]
with lm.steered([planted_edit]):
    after = lm.answer(clip, options=esns.emotions)
print(f"layer {layer}, neuron {neuron}: written to five times the strongest deviation; the answer is {after!r},")
print(f"without it {lm.answer(clip, options=esns.emotions)!r}")

# %% [markdown]
# A score says how a gate behaves, not what it does. Only an intervention tells.
#
# ## A grown neuron
#
# `smol-audio` has ears that were trained to transcribe and a language model that was trained to chat; nobody taught
# it emotions. What it has, grew. Its parts come by `esn fetch smol-audio`; without them the cell below says so.

# %%
grown, words = None, ""
try:
    grown = esn.load("smol-audio")
except esn.EsnError as error:
    words = str(error)
if grown is not None:
    _, some, unheard = esn.corpus("emodb-sample").split()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # few clips; that is the point of the next paragraph
        grown_stats = esn.collect(grown, some, progress=False)
    words = f"{sum(grown_stats.kept.values())} of {sum(grown_stats.seen.values())} clips heard rightly"
print(words)

# %% [markdown]
# Of a model that hears few clips rightly, few can be used to find neurons, and little can be said. That is what doubt
# looks like in practice: compare the share above with chance (one over the number of emotions).

# %% [markdown]
# ## Exercise 2: which one was planted?
#
# Which of the two models was taught the very thing that we looked for: `"toy-omni"` or `"smol-audio"`?

# %%
answer = None
print(planted(answer))

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# answer = "toy-omni"
# ```
#
# </details>

# %% [markdown]
# ## What we may say now, and what not
#
# Everything that is shown on the bundled model shows that the method works where there is something to be found.
# It says nothing of a model that was not taught emotions. Claims about those need such models, real voices, and the
# same controls.
