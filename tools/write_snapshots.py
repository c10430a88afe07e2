"""Write anew what others may rely on: tests/snapshots/api.txt and formats.txt. What changed is then seen in the diff.

    python tools/write_snapshots.py
"""

import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "support")]

from snapshots import FOLDER, snapshots  # noqa: E402


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for name, text in snapshots().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
        print(FOLDER / name)


if __name__ == "__main__":
    main()
