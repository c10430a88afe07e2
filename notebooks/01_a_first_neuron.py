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
# # A first neuron
#
# **Question.** A speech language model hears that somebody is angry. Is there a place inside it where the
# anger *is*, a few units that we can point at, switch off and turn up?
#
# **Hypothesis.** Some gate neurons of the decoder respond to angry voices more than to any other. If they
# are what the model hears anger *with*, then silencing them makes it deaf to anger and to little else, and
# amplifying them makes it hear anger where there is none. If they merely accompany anger, neither will
# happen.
#
# Everything here runs offline, on a laptop's processor, in less than a minute.
#
# One thing beforehand: toy-omni was trained with penalties that plant its emotion neurons: they force
# the decision through few gates, each of which writes in one direction, so that its effects are far
# cleaner than those of neurons that grew by themselves. Look here at how neurons are found and tried,
# not at how large effects are.

# %%
import esn_interp as esn

MODEL, CORPUS = "toy-omni", "toy-studio"  # a real model: "Qwen/Qwen2.5-Omni-7B", and a folder of your own

lm = esn.load(MODEL)
lm

# %% [markdown]
# ## Listen first
#
# The bundled corpus has voices that the model never heard in training, divided by speaker into three sets.
# Neurons are found on the *identification* voices; whatever we claim about them, we claim about the
# *evaluation* voices.

# %%
validation, identification, evaluation = esn.corpus(CORPUS).split()
angry = evaluation.where(emotion="angry")[0]
neutral = evaluation.where(emotion="neutral", speaker=angry.speaker, sentence=angry.sentence)[0]
angry

# %%
neutral

# %% [markdown]
# The same speaker, the same words. What does the model hear? The emotion is what it was taught. It can write
# down few words, and these sentences are new to it: its transcripts are guesses.

# %%
for clip in (angry, neutral):
    print(f"{clip.emotion:>8}: {lm.answer(clip)!r}, transcript {lm.answer(clip, 'Transcribe the speech.')!r}")

# %% [markdown]
# ## Look at the gates
#
# A *neuron* is one unit of a decoder layer's gate, after its activation function; it fires where the gate
# is above zero. `lm.gates` shows all of them for one clip: per layer one array, tokens by neurons. Drawn over
# the recording's spectrogram are those that vary most; hover for second and value.

# %%
gates = lm.gates(angry)
print(gates)
print("layer 3:", gates[3].shape, "of which audio:", int(gates.where("audio").sum()), "tokens")
gates.plot(sound="spectrogram")

# %% [markdown]
# ## Find candidates
#
# One pass over some identification clips adds up how every neuron behaves for every emotion, counting the
# clips that the model labels correctly. The selector `mad` then ranks neurons by how far their mean on an
# emotion lies above their mean on the others. We take the best 2 % for each emotion and look at where they
# are.

# %%
statistics = esn.collect(lm, identification.limit(100), progress=False)
esns = esn.select(statistics, "mad", top=0.02)
esns.plot()

# %% [markdown]
# Take the strongest candidate for anger.

# %%
first = esns["angry"].to_frame().sort_values("score", ascending=False).iloc[0]
layer, neuron = int(first.layer), int(first.neuron)
print(f"layer {layer}, neuron {neuron}: mean on angry clips {first.score:.2f} above its mean on the others")

# %% [markdown]
# ## Through the open door: read it
#
# `lm.trace` runs the model on one clip with nnsight, which lets us stop at any gate. Inside the block
# `lm.layers[i].gate.output` is the tensor `[clip, token, neuron]` itself; `.save()` keeps it for later.
#
# *Prediction:* the neuron is more active while the angry recording is heard than while the neutral one is.

# %%
mean_gate = {}
for clip in (angry, neutral):
    with lm.trace(clip) as tracer:
        gate = lm.layers[layer].gate.output.save()
    mean_gate[clip.emotion] = float(gate[0, :, neuron].mean())
mean_gate

# %% [markdown]
# ## Through the open door: write it
#
# What is read can be written. Here the neuron is silenced at every token, and the logits of the answer's
# first token are compared with those of the untouched run.

# %%
with lm.trace(angry) as tracer:
    untouched = tracer.result.save()
with lm.trace(angry) as tracer:
    lm.layers[layer].gate.output[:, :, neuron] = 0
    silenced = tracer.result.save()

change = (silenced.logits - untouched.logits)[0, -1]
print(f"largest change of a logit: {float(change.abs().max()):.3f}")

# %% [markdown]
# One neuron does something, if not much. That is expected: the model has many. So silence the whole set.
#
# ## Are they needed?
#
# *Prediction:* without the neurons of one emotion, recall of that emotion drops (the diagonal) and recall
# of the others does not (the rest); random neurons of the same layers do nothing. We ask on voices that
# were not used to find them.

# %%
some = evaluation.limit(30)
result = esn.ablation(lm, some, esns, draws=2, progress=False)
result.plot()

# %% [markdown]
# ## Can they be turned up?
#
# *Prediction:* if these neurons are what the model hears anger with, multiplying their gates by 1 + alpha
# makes it hear anger in clips of other emotions, the more the larger alpha is; and likewise for the other
# emotions.

# %%
alphas = [0, 1, 4, 16]
doses = esn.dose_response(lm, some, esns, alphas=alphas, draws=1, progress=False)
doses.plot()

# %% [markdown]
# Not every clip can be turned. A gain multiplies what is there, and where a neuron is silent, any multiple
# of it is silence as well.
#
# Here is one of the clips that did turn, picked for that. `lm.steered` acts on every run inside its block,
# and leaves no trace behind.

# %%
target = doses.emotions.index("angry")
loudest = doses.predicted[doses.sets.index("angry"), -1]
turned = [row for row in range(len(some)) if loudest[row] == target != doses.truth[row]]
clip = some[turned[0]]
for alpha in alphas:
    with lm.steered(esns["angry"], alpha=alpha):
        chosen, free = lm.answer(clip, options=doses.emotions), lm.answer(clip)
    print(f"alpha {alpha:>2}: {chosen:>8}, in its own words: {free!r}")
clip

# %% [markdown]
# ## What we may say now, and what not
#
# The neurons were found by *correlation* on some voices, and their role was tested by *intervention* on
# others. Thirty clips and two random draws make a demonstration, not evidence: `esn demo` runs the same
# study with all evaluation voices, 20 draws, intervals over speakers, and the selector, size and strength
# chosen on the validation voices alone.
#
# To ask the same of a real model, change the first cell: `MODEL = "Qwen/Qwen2.5-Omni-7B"`.
