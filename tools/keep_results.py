"""Keep what cards and pages cite of a study: its summary and settings, in docs/results.

    esn demo --out demo-out && python tools/keep_results.py demo-out docs/results/demo.json

Beside the summary stands what neurons selected by permuted labels do: silenced, and turned up by the gain that was
chosen; on average, and the p of each emotion.
"""

import argparse
import json
from pathlib import Path
from typing import Any

from esn_interp.analysis.inference.permutation import SelectionNull
from esn_interp.studies.results import interval, of_null
from esn_interp.studies.whole import load_study

SETTINGS = ("selector", "top", "scope", "alpha", "draws", "seed", "rule")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("study", type=Path)
    parser.add_argument("out", type=Path)
    arguments = parser.parse_args()
    done = load_study(arguments.study)
    content = done.content
    kept = {
        "summary": content["summary"],
        "recall": content.get("recognition", {}).get("recall"),
        "settings": {name: value for name, value in content.get("settings", {}).items() if name in SETTINGS},
        "null": null_of(done),
        "date": content.get("date"),
    }
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


def null_of(done: Any) -> dict[str, Any] | None:
    """What permuted labels give in a study of recognition; None where none were permuted."""
    silenced, turned_up = done.ablation, done.doses
    if silenced is None or silenced.specificity_null is None:
        return None
    found = {
        "specificity": interval(silenced.specificity),
        "specificity_null": told(silenced.specificity_null),
        "self_null": told(silenced.self_null),
    }
    if turned_up is not None and turned_up.flip_null is not None:
        found |= {"alpha": turned_up.null_alpha, "flip_null": told(turned_up.flip_null)}
    return found


def told(null: SelectionNull) -> dict[str, Any]:
    return {**(of_null(null) or {}), "by_emotion": dict(zip(null.tests, null.p_values.tolist(), strict=True))}


if __name__ == "__main__":
    main()
