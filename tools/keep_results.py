"""Keep what cards and pages cite of a study: its summary and settings, in docs/results.

    esn demo --out demo-out && python tools/keep_results.py demo-out docs/results/demo.json
"""

import argparse
import json
from pathlib import Path

SETTINGS = ("selector", "top", "scope", "alpha", "draws", "seed", "rule")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("study", type=Path)
    parser.add_argument("out", type=Path)
    arguments = parser.parse_args()
    content = json.loads((arguments.study / "results.json").read_text(encoding="utf-8"))
    kept = {
        "summary": content["summary"],
        "recall": content.get("recognition", {}).get("recall"),
        "settings": {name: value for name, value in content.get("settings", {}).items() if name in SETTINGS},
        "date": content.get("date"),
    }
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
