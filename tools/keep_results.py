"""Keep what cards and pages cite of a study: its summary and settings, in docs/results.

    esn demo --out demo-out && python tools/keep_results.py demo-out docs/results/demo.json

Of a study that stopped after silencing, what permuted labels give can be added to a summary of the same setting:

    python tools/keep_results.py demo-out docs/results/demo.json --null-of demo-out/stages/ablate/KEY.json
"""

import argparse
import json
from pathlib import Path

import esn_interp as esn
from esn_interp.studies.results import of_null

SETTINGS = ("selector", "top", "scope", "alpha", "draws", "seed", "rule")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("study", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--null-of", type=Path, help="an ablation of the study, where it has no summary yet")
    arguments = parser.parse_args()
    if arguments.null_of:
        _add_null(arguments.null_of, arguments.out)
        return
    content = json.loads((arguments.study / "results.json").read_text(encoding="utf-8"))
    kept = {
        "summary": content["summary"],
        "recall": content.get("recognition", {}).get("recall"),
        "settings": {name: value for name, value in content.get("settings", {}).items() if name in SETTINGS},
        "date": content.get("date"),
    }
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


def _add_null(ablation: Path, out: Path) -> None:
    """What neurons selected by permuted labels do, beside a summary whose effects must be those of the ablation."""
    found, kept = esn.Ablation.load(ablation), json.loads(out.read_text(encoding="utf-8"))
    summary = kept["summary"]
    for name, value in (("self_ablation", found.self_change.value), ("cross_ablation", found.cross_change.value)):
        if abs(summary[name] - value) > 1e-9:
            raise SystemExit(f"{ablation}: {name} {value} is not that of {out}, {summary[name]}")
    kept["null"] = {
        "stage": "silencing alone, run again with the same setting and seed",
        "specificity": {"value": found.specificity.value, "low": found.specificity.low, "high": found.specificity.high},
        "specificity_null": of_null(found.specificity_null),
        "self_null": of_null(found.self_null),
    }
    out.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
