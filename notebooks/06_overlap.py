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
# # Across corpora
#
# **Question.** Neurons were found on clean studio recordings. Would other voices over a telephone have given
# the same ones?
#
# **Hypothesis.** If the neurons are the model's own for an emotion, and not a trait of one corpus, both
# corpora should point at the same ones: the same emotion shares far more than chance, different emotions do
# not.
#
# Everything runs offline on a laptop's processor in less than a minute.

# %%
import esn_interp as esn
from esn_interp.neurons.resampling import subset

MODEL, CORPUS = "toy-omni", "toy-studio"  # a real model: "Qwen/Qwen2.5-Omni-7B", and a folder of your own

lm = esn.load(MODEL)
corpora = {name: esn.corpus(name) for name in ("toy-studio", "toy-phone")}
identification = {name: clips.split()[1].limit(120) for name, clips in corpora.items()}
identification

# %% [markdown]
# The two corpora share no speaker. We keep what every clip adds to the statistics, so that clips can be
# resampled later.

# %%
statistics = [
    esn.collect(lm, clips, per_clip=True, progress=False) for clips in identification.values()
]
sets = [esn.select(one, "mad", top=0.02) for one in statistics]
sets

# %% [markdown]
# ## How much do they share?
#
# Two sets that prefer the same layers share neurons by that alone. So what is shared is compared with what
# independent sets *with as many neurons in every layer* would share. Different emotions are the control.
#
# *Prediction:* the diagonal stands out; everything else is near 1.

# %%
plain = esn.overlap(*sets)
print(plain.summary())
plain.plot()

# %% [markdown]
# The open diamonds treat all layers as one. They lie farther right, although nothing is shared in addition:
# that is the layers' part. Different emotions come out a little above 1: some gates vary a lot whatever is
# said, and both corpora select them for something.
#
# ## A stricter question, and how sure we are
#
# With the statistics at hand, only gates count that lean to the emotion in *both* corpora: among those, are
# the same ones at the top? And the clips of both corpora are resampled by speaker.

# %%
tops = [0.005, 0.01, 0.02, 0.05, 0.1]
overlap = esn.overlap(*sets, statistics=statistics, tops=tops, resamples=20)
print(overlap.summary())
low, high = overlap.jaccard_range()
pair = overlap.pairs[0]
for at, emotion in enumerate(pair.emotions_a):
    print(
        f"{emotion:>8}: Jaccard {pair.jaccard[at, at]:.2f}, resampled {low[at, at]:.2f} to {high[at, at]:.2f};"
        f" Spearman of all gates {pair.spearman[at, at]:.2f}, rank-biased overlap {pair.rbo[at, at]:.2f}"
    )

# %% [markdown]
# Is that so at any size? Larger sets share more of their members by themselves, and less of it is beyond
# chance: compare with the grey line at the same size.

# %%
overlap.plot_curve()

# %% [markdown]
# ## Women and men
#
# The same question within one corpus. The statistics of a part of the clips follow from what was kept of
# each: nothing is run again, and the numbers are those of a run over this part, to the bit.

# %%
studio = identification["toy-studio"]
halves = {sex: subset(statistics[0], studio.where(sex=sex).column("id")) for sex in ("female", "male")}
found = [esn.select(half, "mad", top=0.02) for half in halves.values()]
three = esn.overlap(*found, sets[1], names=["women", "men", "phone"])
for pair in three.pairs:
    for told, pooled in (("same", pair.same_emotion), ("different", pair.other_emotion)):
        bounds = f"[{pooled.low:.1f}, {pooled.high:.1f}]"
        print(f"{pair.a:>5} and {pair.b}, {told} emotion: {pooled.fold:.1f} times chance {bounds}")
three.plot()

# %% [markdown]
# Each column counts the neurons that are in exactly the dotted sets; the strokes are what independent sets
# would give. The first column holds what all three agree on.
#
# ## Do they do the same?
#
# That two sets are alike does not say that they work alike. So the neurons of each corpus are silenced, and
# turned up, while the model hears the evaluation voices of the other.
#
# *Prediction:* foreign neurons do nearly what the corpus's own do.

# %%
heard = {name: clips.split()[2].limit(20) for name, clips in corpora.items()}
pairs = {name: (heard[name], esns) for name, esns in zip(corpora, sets, strict=True)}
transfer = esn.transfer(lm, pairs, draws=1, progress=False)
print(transfer.summary())
transfer.plot()

# %% [markdown]
# ## What we may say now, and what not
#
# Both corpora point at mostly the same neurons, emotion by emotion, beyond what their layers explain. With
# twenty clips a corpus, the intervals of the transfer are wide. And both corpora come from one
# synthesiser, so that they are nearer to each other than two real ones would be.
