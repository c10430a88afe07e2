"""Checks of the course's exercises: each says whether an answer is right, or what to look at again."""

from typing import Any

import numpy as np

NOT_YET = "Not yet: put your answer in the place of `None`, and run the cell again."


def _say(right: bool, praise: str, hint: str) -> str:
    return f"Right. {praise}" if right else f"Not quite. {hint}"


def score(answer: Any, stats: Any, esns: Any, emotion: str) -> str:
    """Lesson 1: the mean deviation of every gate for one emotion, ``[gate]``."""
    if answer is None:
        return NOT_YET
    answer = np.asarray(answer)
    if answer.shape != (stats.n_gates,):
        return f"Not quite. One number for each of the {stats.n_gates} gates is wanted; yours has shape {answer.shape}."
    best = set(np.argsort(-answer)[: len(esns[emotion])].tolist())
    shared = len(best & set(esns.indices(emotion).tolist())) / len(best)
    return _say(
        shared > 0.99,
        "These are the neurons that `select` finds.",
        f"Of your strongest gates, `select` has {100 * shared:.0f} %. Subtract the mean over the *other* emotions.",
    )


def layer(answer: Any, esns: Any, emotion: str) -> str:
    """Lesson 1: the layer that holds most of an emotion's neurons."""
    if answer is None:
        return NOT_YET
    counts = esns[emotion].counts()[0]
    told = f"It holds {counts.max()} of {counts.sum()}."
    return _say(counts[int(answer)] == counts.max(), told, "Look at `esns[emotion].counts()`, summed over nothing.")


def specificity(answer: Any, result: Any) -> str:
    """Lesson 2: how much more an emotion's own neurons cost it than other emotions' do, in points."""
    if answer is None:
        return NOT_YET
    true = 100 * (result.self_change.value - result.cross_change.value)
    return _say(
        abs(float(answer) - true) < 0.5,
        "The more it is below zero, the more the neurons are the emotion's own.",
        "Mean of the diagonal of `result.change`, minus the mean of all else, times 100.",
    )


def control(answer: Any, result: Any) -> str:
    """Lesson 2: whether random neurons do as much."""
    if answer is None:
        return NOT_YET
    own, random = (float(np.nanmean(np.diag(matrix))) for matrix in (result.change, result.random_change))
    true = random <= own / 2
    return _say(
        bool(answer) == true,
        f"Own {100 * own:.0f} points, random {100 * random:.0f} on the diagonal.",
        "Compare the two matrices of the figure on their diagonals.",
    )


def least_gain(answer: Any, answers: dict[float, str], target: str) -> str:
    """Lesson 3: the least gain at which the clip is heard as the target."""
    if answer is None:
        return NOT_YET
    reached = [alpha for alpha, heard in sorted(answers.items()) if heard == target]
    if not reached:
        return _say(answer == "none", "Not every clip can be turned.", "Does any gain make the answer the target?")
    return _say(answer == reached[0], "Below it, the clip stays what it was.", "The first whose answer is the target.")


def honest(answer: Any, chosen_on: str) -> str:
    """Lesson 3: on which voices the gain may be chosen."""
    if answer is None:
        return NOT_YET
    return _say(
        answer == chosen_on,
        "What is chosen on some clips looks better on just these.",
        "The voices that are reported must not have been looked at before.",
    )


def same_corpus(answer: Any, inside: float, across: float) -> str:
    """Lesson 4: whether the sets of two corpora share more neurons than chance gives."""
    if answer is None:
        return NOT_YET
    true = "more" if inside > 2 * across else "as many"
    return _say(answer == true, f"{inside:.2f} against {across:.2f}.", "Compare the two numbers that were printed.")


def planted(answer: Any) -> str:
    """Lesson 4: which of two models was taught to name emotions."""
    if answer is None:
        return NOT_YET
    return _say(
        answer == "toy-omni",
        "Its neurons were planted by its training: that they are found says that the tools work, not how models grow.",
        "Read what each model was trained on: `docs/model_card.md`.",
    )


def fair(answer: Any) -> str:
    """Lesson 5: what must be alike between steered and unsteered speech."""
    if answer is None:
        return NOT_YET
    return _say(
        set(answer) == {"recording", "seed", "request"},
        "Only the edit differs, so only the edit can be heard.",
        "Three things: what goes in, what is asked, what is drawn at random.",
    )


def judge(answer: Any) -> str:
    """Lesson 5: which judge may report."""
    if answer is None:
        return NOT_YET
    return _say(
        answer == "the other",
        "A judge that chose the attempts has seen the answers.",
        "The judge that chose which attempts count is the one who must not report.",
    )
