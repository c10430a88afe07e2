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
# # Planted or grown
#
# **Question.** `toy-omni` was trained so that there are neurons to find. Are there any where nobody put them?
#
# **Hypothesis.** A language model knows of emotions from text. When ears are joined to it, and nothing of it is
# changed, what is heard should arrive at gates that were there before.
#
# `smol-audio` is such a model: the ears of Whisper tiny.en, the decoder of SmolLM2-135M-Instruct, both as they
# were published, and between them a projector that was trained. Its parts are got by `esn fetch smol-audio`;
# without them, this notebook shows what was measured before.

# %%
from pathlib import Path

import pandas as pd

import esn_interp as esn

MODEL = "smol-audio"  # a real model: "Qwen/Qwen2.5-Omni-7B"

people = esn.corpus("emodb-sample")
clip = people.where(speaker="14", emotion="angry")[0]
people

# %%
try:
    lm = esn.load(MODEL, dtype="bfloat16")
    print(lm)
    print("asked freely:", lm.answer(clip))
except esn.EsnError as error:
    lm = None
    print(error)

# %% [markdown]
# That is a recording of a person, in German, whom it has never heard.
#
# ## Heard and read
#
# Neurons were selected while it heard clips, and while it read forty sentences that express an emotion without
# naming it. *Prediction:* the same emotion shares more than its layers alone would give, and more than when the
# sentences' labels are exchanged; different emotions do not.

# %%
results = Path("..") / "docs" / "results" / "smol-audio"
reading = esn.Reading.load(results / "reading.json")
print(reading.summary())
reading.plot()

# %% [markdown]
# How often it answers the question about a *text* rightly says how much of this an answer would show:

# %%
dict(zip(reading.emotions, reading.right[0].round(2).tolist(), strict=True))

# %% [markdown]
# ## Which neurons may merely copy a word?
#
# Those that are also selected where a neutral sentence *names* the emotion, and not where another expresses it.

# %%
pd.DataFrame(
    reading.places, index=list(reading.emotions), columns=["both", "read only", "named only", "neither"]
)

# %% [markdown]
# ## When no emotion was ever asked for
#
# A second projector was trained on transcripts and the speaker's sex alone. *Prediction:* if the same gates serve
# what is heard and what is read, they overlap there too; if training with labels handed the decoder a word, they
# do not.

# %%
untold = esn.Reading.load(results / "reading-unemotional.json")
print(untold.summary())

# %% [markdown]
# ## Do the neurons belong to an emotion?
#
# They were silenced and turned up at three sizes, and so were neurons that the same selector found when the labels were
# permuted.

# %%
sizes = ("0.005", "0.01", "0.02")
silenced = {size: esn.Ablation.load(results / f"silenced-{size}.json") for size in sizes}
print(silenced["0.01"].summary())
silenced["0.01"].plot()

# %%
turned_up = {size: esn.DoseResponse.load(results / f"turned-up-{size}.json") for size in sizes}
nulls = {f"{float(size):.1%} silenced": silenced[size].specificity_null for size in sizes}
nulls |= {f"{float(size):.1%} turned up": turned_up[size].flip_null for size in sizes}
pd.DataFrame(
    {
        name: {
            "as labelled": null.omnibus,
            "permuted, mean": null.omnibus_drawn.mean(),
            "permuted, most extreme": null.omnibus_drawn.max() if null.rises else null.omnibus_drawn.min(),
            "p": null.omnibus_p,
        }
        for name, null in nulls.items()
    }
).T.round(2)

# %% [markdown]
# Those were of `mad`, which goes by the raw values of gates. Validation voices would choose `cohen`, which divides by
# each gate's spread, at 2 %:

# %%
standardised = esn.Ablation.load(results / "silenced-cohen-0.02.json")
print(standardised.summary())
standardised.plot()

# %% [markdown]
# **What remains.** Against random gates, and from voice to voice, the effect is clear. Against permuted labels it is
# not where neurons are selected by raw values, at no size, silenced or turned up: these are gates on which answers
# hang, and that they are an emotion's own is not shown. Selected by standardised ones, they are more than any of 19
# permutations gave, and of the emotions it is sad of which that is true. And heard neurons are not those of what
# expresses the emotion: the first prediction failed. Whether they are those of its name can't be told.
