"""The sentences of the report. Every claim is made from the study's numbers, and changes when they do."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from esn_interp.drawing.numbers import count, interval, listed, percent, points
from esn_interp.neurons.catalogue import SELECTORS


def unit_of_split(study: Mapping[str, Any]) -> str:
    """What the three sets keep apart: speakers, or sentences where there is one speaker only."""
    return "sentences" if study["corpus"]["split_by"] == "sentence" else "voices"


def title(study: Mapping[str, Any]) -> str:
    """A question, since the answer depends on the numbers."""
    return f"Which neurons make {study['model']['name']} hear emotion?"


def lede(study: Mapping[str, Any]) -> str:
    """The study in three sentences."""
    summary, settings = study["summary"], study["settings"]
    voices = len(study["corpus"]["splits"]["evaluation"]["speakers"])
    found = (
        f"{percent(summary['top'])} of the model’s gate neurons were singled out for each emotion. On "
        f"{count(voices, 'voice')} that had no part in the choice, silencing them changes the recall of that "
        f"emotion by {points(summary['self_ablation'])} and that of the other emotions by "
        f"{points(summary['cross_ablation'])}."
    )
    if not settings["alpha"]:
        return f"{found} Turning them up moved no further clips towards their emotion, whatever the gain."
    return (
        f"{found} Multiplied by {1 + settings['alpha']:g}, they make the model hear their emotion in "
        f"{percent(summary['steer_best_flip_rate'])} of the clips that were spoken in another one."
    )


def headline(study: Mapping[str, Any]) -> list[dict[str, str]]:
    """The four numbers at the top of the page."""
    summary, settings = study["summary"], study["settings"]
    low, high = summary["specificity_ci"]
    return [
        {
            "value": percent(summary["uar"]),
            "label": "mean recall over the emotions, unedited",
            "note": f"chance is {percent(1 / len(study['emotions']))}",
        },
        {
            "value": points(summary["self_ablation"], unit=False),
            "label": "points of recall, the silenced neurons’ own emotion",
            "note": f"random neurons: {points(summary['random_ablation'], unit=False)}",
        },
        {
            "value": points(summary["cross_ablation"], unit=False),
            "label": "points of recall, the other emotions",
            "note": f"own minus other: {interval(low, high)}",
        },
        {
            "value": percent(summary["steer_best_flip_rate"]),
            "label": f"of other clips heard as the target, α = {settings['alpha']:g}",
            "note": f"random neurons: at most {percent(summary['steer_random_flip_rate'])}",
        },
    ]


PLANTED = (
    "toy-omni was trained with penalties that plant its emotion neurons: they force the decision through few gates, "
    "each of which writes in one direction, so that its effects are far cleaner than those of neurons that grew by "
    "themselves."
)
"""Said wherever somebody may read a figure of toy-omni's: a test finds it in README, docs, notebook and cards."""


def model_sentence(study: Mapping[str, Any]) -> str:
    """What kind of model it is."""
    model = study["model"]
    widths = sorted(set(model["widths"]))
    per_layer = f"{widths[0]:,}" if len(widths) == 1 else f"{widths[0]:,} to {widths[-1]:,}"
    text = (
        f"{model['name']} is a {model['family']} model: an audio encoder, and a decoder of {model['layers']} "
        f"layers with {per_layer} gate neurons each."
    )
    if model["name"] == "toy-omni":
        text += (
            f" It is a small teaching model, trained from scratch on synthesised speech. {PLANTED} What holds for "
            "them is an illustration of the method, not a finding about large models."
        )
    if model["name"] == "toy-emodb":
        text += (
            " It is a small teaching model, toy-omni trained on with five speakers of EmoDB; only other speakers show "
            f"what it can do. {PLANTED} The penalties stayed on. What holds for its neurons is an illustration of the "
            "method, not a finding about large models."
        )
    return text


def corpus_sentence(study: Mapping[str, Any]) -> str:
    """What the clips are, and whether the voices were kept apart."""
    corpus = study["corpus"]
    apart = {
        "corpus": "The corpus itself says which voice belongs to which set.",
        "speaker": "The voices were divided by a seeded draw.",
        "unheard": "The model has heard some of the voices in its training; it is evaluated on others.",
        "sentence": "There are too few speakers to be kept apart, so the sets differ in their sentences; "
        "nothing here is known of other voices.",
    }[corpus["split_by"]]
    title = f": {corpus['title']}" if corpus["title"] else ""
    licence = f" (licence {corpus['licence']})" if corpus["licence"] else ""
    return f"The clips come from {corpus['name']}{title}{licence}. {apart}"


def filter_sentence(study: Mapping[str, Any]) -> str:
    """The success filter: why it is there and what it left."""
    seen, kept = study["filter"]["seen"], study["filter"]["kept"]
    fewest = min(kept, key=lambda emotion: kept[emotion])
    return (
        "Neurons are looked for in clips that the model gets right, since a clip that it mishears says "
        f"little about how it hears: {sum(kept.values()):,} of {sum(seen.values()):,} identification clips "
        f"passed this filter, fewest for {fewest} ({kept[fewest]:,}). The effects below are measured on all "
        "evaluation clips, right or wrong."
    )


def listen_sentence(study: Mapping[str, Any]) -> str:
    """How the clips of the players were picked, and what stands under them."""
    settings = study["settings"]
    if study["examples"]["same_speaker"]:
        picked = "One evaluation voice says one sentence in every emotion; both were drawn by the seed."
    else:
        picked = "One clip of each emotion, drawn by the seed from the evaluation clips."
    return (
        f"{picked} Under each player stands what the model answers: as it is, with the neurons of the clip’s "
        f"own emotion silenced, and with those of another emotion multiplied by {1 + settings['alpha']:g}. "
        "The bars are the probabilities of the options. Single clips illustrate; the figures further down "
        "count."
    )


def find_sentence(study: Mapping[str, Any]) -> str:
    """How a neuron's score is made, by selector."""
    settings, model = study["settings"], study["model"]
    selector = SELECTORS.get(settings["selector"])
    score = selector.told if selector else "a measure of how closely the neuron goes with this emotion"
    tokens = {
        "audio": "at the tokens of the audio",
        "text": "at the tokens of the question",
        "last": "at the last token, where the answer is formed",
        "all": "over the audio and the question together",
    }.get(settings["scope"], f"at the tokens of scope {settings['scope']}")
    per_emotion = [row["neurons"] for row in study["ablation"]["emotions"]]
    low, high = min(per_emotion), max(per_emotion)
    sizes = f"{low}" if low == high else f"{low} to {high}"
    return (
        f"The selector `{settings['selector']}` scores every neuron for every emotion by {score}, measured "
        f"{tokens}, each clip counting once. Kept are the {sizes} highest per emotion, "
        f"{percent(settings['top'])} of {model['gates']:,}."
    )


def silence_sentence(study: Mapping[str, Any]) -> str:
    """The ablation in words, with the verdict that the interval allows."""
    summary, speakers = study["summary"], len(study["corpus"]["splits"]["evaluation"]["speakers"])
    low, high = summary["specificity_ci"]
    if summary["self_ablation"] is None or summary["cross_ablation"] is None:
        return "Without an edit the model recognises too little of these clips: what is not recognised can’t be lost."
    difference = summary["self_ablation"] - summary["cross_ablation"]
    null = study["ablation"].get("selection")
    if high is not None and high < 0:
        verdict = _beyond_selection(null)
    elif low is not None and low > 0:
        verdict = "The interval lies above 0: the other emotions lose more than the neurons’ own."
    else:
        verdict = (
            "The interval does not exclude 0: this run does not show that the loss is the emotion’s own."
        )
    return (
        "With the neurons of one emotion set to zero at every token, the recall of that emotion changes by "
        f"{points(summary['self_ablation'])} on average, and that of the others by "
        f"{points(summary['cross_ablation'])}. The difference is {points(difference)} (95 % interval "
        f"{interval(low, high)}, {count(speakers, 'speaker')}). {verdict} As many random neurons of the same "
        f"layers, {study['settings']['draws']} draws, change it by {points(summary['random_ablation'])}."
        f"{_permuted(null)}"
    )


def _beyond_selection(null: Mapping[str, Any] | None) -> str:
    """The verdict on a loss that is there on these voices: whether it is the emotion's, or the selection's."""
    below = "The interval, which concerns new voices, lies below 0"
    if null is None or null["p"] is None:
        return f"{below}; whether any neurons selected in this way would do so was not tested."
    p = f"p = {null['p']:.2g}, the selection’s"
    if null["p"] <= 0.05:
        return f"{below}, and no selection of noise comes near it ({p}): the loss is the emotion’s own."
    return (
        f"{below}, but neurons that were selected by permuted labels do as much too often ({p}): this run does not "
        "show that the loss is the emotion’s own."
    )


def _permuted(null: Mapping[str, Any] | None) -> str:
    if null is None or null["mean"] is None:
        return ""
    given = f", given {null['conditional_on']}" if null["conditional_on"] else ""
    return (
        f" Neurons selected in the same way from labels permuted within {null['within']} make that difference "
        f"{points(null['mean'])} on average ({count(null['permutations'], 'permutation')}{given})."
    )


def steer_sentence(study: Mapping[str, Any]) -> str:
    """The dose-response in words."""
    summary, settings, steering = study["summary"], study["settings"], study["steering"]
    unsteered = steering["mean_flip"][steering["alphas"].index(0.0)] if 0.0 in steering["alphas"] else None
    before = f" Without steering it is {percent(unsteered)}." if unsteered is not None else ""
    rho, rises = summary["steer_spearman"], np.diff(steering["mean_flip"])
    if rho is None:
        trend = "The share is the same at every α."
    elif (rises >= 0).all():
        trend = f"The share never falls as α grows (Spearman {rho:.2f})."
    elif rho >= 0.9:
        trend = f"The share grows with α nearly throughout (Spearman {rho:.2f})."
    else:
        trend = f"The share does not grow steadily with α (Spearman {rho:.2f})."
    return (
        "Each neuron of an emotion is multiplied by 1 + α, in clips spoken in another emotion. At α = "
        f"{settings['alpha']:g}, chosen on the validation {unit_of_split(study)}, "
        f"{percent(summary['steer_best_flip_rate'])} of these clips are heard as the target emotion.{before} "
        f"{trend} Random neurons reach {percent(summary['steer_random_flip_rate'])} at most, over the same "
        f"gains. Asked freely (“{settings['free_question']}”), the steered model still names an emotion in "
        f"{percent(summary['steer_parse_rate'])} of its answers."
    )


def cost_sentence(study: Mapping[str, Any]) -> str:
    """What ablation costs elsewhere."""
    summary = study["summary"]
    drops = {"transcripts": summary["transcription_drop"], "the speaker’s sex": summary["sex_drop"]}
    worse = [name for name, drop in drops.items() if drop is not None and drop > 0.05]
    if worse:
        verdict = f"The neurons are not the emotion’s alone: {listed(worse)} suffer by more than 5 points."
    else:
        verdict = (
            "Neither suffers by more than 5 points on average: what is lost is the emotion, not the hearing."
        )
    return (
        "A model that is simply broken would lose its emotions too. So the same silenced model is asked to "
        "write down what was said, and whether the speaker is male or female. On average over the emotions, "
        f"transcript accuracy changes by {points(_negative(summary['transcription_drop']))} and the accuracy "
        f"of the speaker’s sex by {points(_negative(summary['sex_drop']))}. {verdict}"
    )


def choice_sentence(study: Mapping[str, Any]) -> str:
    """How selector, size, scope and gain came about."""
    settings, choice = study["settings"], study["choice"]
    unusable = (
        f" {count(len(choice['unusable']), 'further setting')} gave no neurons for some emotion and dropped "
        "out."
        if choice["unusable"]
        else ""
    )
    tested = [row for row in choice["grid"] if row["flip_rate"] is not None]
    rule = (
        f"{len(tested)} are causal and clean: silenced, their neurons cost their own emotion at least "
        f"{100 * settings.get('least_loss', 0.15):g} points of recall and the others at most "
        f"{100 * settings.get('most_collateral', 0.05):g}. Of these the one that steers best at the largest gain was "
        "kept"
        if tested
        else "the one was kept whose neurons, silenced, cost their own emotion most and the others least"
    )
    return (
        f"Selector, size and token scope were chosen on the validation {unit_of_split(study)}: of "
        f"{count(len(choice['grid']), 'setting')}, {rule}. It is `{settings['selector']}`, "
        f"{percent(settings['top'])} of the gates per emotion, scope `{settings['scope']}`.{unusable} "
        f"The gain α = {settings['alpha']:g} was chosen there as well, for the most flips. "
        "The evaluation clips were then run once."
    )


def _negative(value: float | None) -> float | None:
    return None if value is None else -value


def commands(study: Mapping[str, Any]) -> str:
    """The same steps on a real model, with the settings that were chosen here."""
    settings = study["settings"]
    run = "--model Qwen/Qwen2.5-Omni-7B --corpus iemocap.csv"
    return "\n".join(
        (
            f"esn collect {run} --split identification --out stats.safetensors",
            f"esn select stats.safetensors --selector {settings['selector']} --top {settings['top']:g} "
            f"--scope {settings['scope']} --out esns.safetensors",
            f"esn ablate {run} --neurons esns.safetensors --split evaluation --out ablation.json",
            f"esn dose {run} --neurons esns.safetensors --split evaluation --alphas 0,0.5,1,2,4 --out "
            "dose.json",
        )
    )


def versions(study: Mapping[str, Any]) -> str:
    """What made the numbers: software, weights, clips, seed and time."""
    model, corpus = study["model"], study["corpus"]
    software = ", ".join(f"{name} {version}" for name, version in study["versions"].items())
    return (
        f"Made by {software}; model {model['name']}, weights {model['fingerprint']}; corpus "
        f"{corpus['name']}, clips {corpus['fingerprint']}; seed {study['settings']['seed']}; "
        f"{study['seconds']:.0f} s of computing on {study['date']}."
    )
