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
# # Audio or text?
#
# **Question.** A neuron that goes with anger is found where the model listens *and* where it reads the
# question. What drives it: the voice, or the word "angry" in the prompt?
#
# **Hypothesis.** If the voice does, a neuron's gate changes when the same speaker says the same words in
# another emotion, and stays when the same recording is put to another prompt. If the prompt does, it is the
# other way round. A neuron can also need both: a voice that is angry and a question about emotion.
#
# Everything runs offline in less than a minute, on a few clips; see the last cell for what that means.

# %%
import esn_interp as esn

MODEL, CORPUS = "toy-omni", "toy-studio"  # a real model: "Qwen/Qwen2.5-Omni-7B", and a folder of your own

lm = esn.load(MODEL)
_, identification, evaluation = esn.corpus(CORPUS).split()
statistics = esn.collect(lm, identification.limit(100), progress=False)
esns = esn.select(statistics, "mad", top=0.02)
esns

# %% [markdown]
# ## Look at one neuron
#
# `lm.gates` shows every gate for one clip and one prompt. Here is the strongest neuron for anger, at the last
# token, which is where the answer is made: for two voices, and for two questions.

# %%
best = esns["angry"].to_frame().sort_values("score", ascending=False).iloc[0]
layer, neuron = int(best.layer), int(best.neuron)
angry = evaluation.where(emotion="angry")[0]
neutral = evaluation.where(emotion="neutral", speaker=angry.speaker, sentence=angry.sentence)[0]
usual = esn.Recognition(evaluation.emotions).prompt
print(f"layer {layer}, neuron {neuron}")
for prompt in (usual, "Transcribe the speech."):
    for clip in (angry, neutral):
        gate = lm.gates(clip, prompt)[layer][-1, neuron]
        print(f"{clip.emotion:>8} voice, {prompt.split('.')[0]!r:<42} gate {gate:.2f}")

# %% [markdown]
# This one follows the voice, whatever is asked.
#
# ## Exchange the gates
#
# But one neuron is an anecdote. `esn.grounding` does this for all of them, and looks at what the *model* makes of
# it: it runs a clip, and writes into the neurons of an emotion what their gates were elsewhere,
#
# - for a recording of the same speaker and words with another emotion: only the audio differs;
# - for the same recording under another prompt: only the text differs.
#
# What counts is how far the log-odds of the emotion move. *Prediction:* if the neurons carry what is heard,
# an emotion loses on its own clips when its neurons get the gates of another emotion's recording, and random
# neurons of the same layers do nothing.

# %%
prompts = {
    "order": esn.Recognition(evaluation.emotions[::-1]).prompt,
    "task": "Transcribe the speech.",
}
grounded = esn.grounding(lm, evaluation, esns, prompts=prompts, limit=15, draws=1, progress=False)
print(grounded.summary())
grounded.plot()

# %% [markdown]
# *How to read it.* First panel: the first line is the loss on an emotion's own clips when its neurons "hear"
# another emotion. The second is the gain on other clips when they "hear" the emotion. The first is large and the
# second small: the neurons are *needed*, but they do not *suffice*; what the rest of the model heard still counts.
# The order of the options hardly matters. Another task matters about as much as another voice: asked for
# a transcript, the model does not compute the emotion where the answer is made.
#
# Second panel: the audio share is 1 when only the audio moves a neuron (or the answer), 0 when only the prompt
# does. Small dots are single neurons. It compares the voices with *these* prompts, so leave the other task out
# and it rises.
#
# Third panel: silenced at the audio tokens only, the neurons are not missed. They act at the last token.

# %%
grounded.neurons_frame().groupby("emotion")["share"].describe()[["min", "50%", "max"]].round(2)

# %% [markdown]
# ## A quicker look, at every gate
#
# Exchanging gates takes a run for every set. The gradient tells to first order what *every* gate does, in one
# backward pass: gradient times gate, of the log-odds of the right label. *Prediction:* few gates hold most of
# it, and its ranks are those of true ablation.

# %%
attribution = esn.attribution(lm, identification.limit(100), progress=False)
print(attribution.summary())
attribution.plot()

# %%
check = attribution.check(lm, evaluation.limit(40), neurons=40, progress=False)
print(check.summary())
check.plot()

# %% [markdown]
# It can select as well. How many of its neurons has the selector `mad` found too, of 20 for each emotion?

# %%
chosen = attribution.select(top=0.02)
{emotion: len(chosen[emotion] & esns[emotion]) for emotion in esns.emotions}

# %% [markdown]
# ## What we may say now, and what not
#
# Most single neurons of these sets follow the voice rather than the prompt. What the sets do for the answer
# needs both: an emotional voice, and a question about emotion. That holds for this model, which was trained to
# decide emotion in its MLPs.
#
# Fifteen clips of three speakers are a demonstration: look at the intervals. Leave `limit=` out for all evaluation
# voices, and add prompts of your own: the audio share is only as telling as the prompts it is compared with.
