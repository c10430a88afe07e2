"""Known vulnerabilities of everything that is pinned; what the database doesn't know is no clean bill.

    make audit
    python tools/audit_pins.py --service osv        # another public database

Ends with 1 where a pin is vulnerable or was not checked: pip-audit alone calls clean what its index doesn't know, or
stops at the first such pin.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
SHOWN = 5


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--service", choices=("pypi", "osv"), default="pypi")
    parser.add_argument("--pins", type=Path, default=ROOT / "constraints.txt", metavar="FILE")
    parser.add_argument("--program", type=Path, default=Path(sys.executable).parent / "pip-audit", metavar="FILE")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        command = [arguments.program, "-r", arguments.pins, "--no-deps", "--disable-pip", "--progress-spinner", "off"]
        try:
            ended = subprocess.run(
                [*command, "-s", arguments.service, "-f", "json", "-o", report],
                capture_output=True, check=False, text=True,
            )  # fmt: skip
        except FileNotFoundError:
            print(f'{arguments.program} is not here: pip install -c constraints.txt "esn-interp[quality]"')
            return 1
        if not report.exists():
            last = (ended.stderr.strip().splitlines() or ["no word of why"])[-1]
            print(f"nothing was checked: {arguments.service} could not be asked ({last[:200]})")
            return 1
        lines, good = told(json.loads(report.read_text(encoding="utf-8"))["dependencies"], arguments.service)
    print("\n".join(lines))
    return int(not good)


def told(pins: list[dict[str, Any]], service: str) -> tuple[list[str], bool]:
    """What to print of pip-audit's answer, and whether every pin was checked and none is vulnerable."""
    unknown = [one["name"] for one in pins if "skip_reason" in one]
    found = [(one, which) for one in pins for which in one.get("vulns", ())]
    lines = [
        f"{one['name']} {one['version']}: {which['id']}, mended in {', '.join(which['fix_versions']) or 'no release'}"
        for one, which in found
    ]
    if unknown:
        more = f" and {len(unknown) - SHOWN} more" if len(unknown) > SHOWN else ""
        names = f"{', '.join(unknown[:SHOWN])}{more}"
        lines.append(f"not checked, {service} as it is reached here doesn't know them: {names}")
    lines.append(f"{len(pins) - len(unknown)} of {len(pins)} pins checked, {len(found)} known vulnerabilities")
    return lines, bool(pins) and not unknown and not found


if __name__ == "__main__":
    sys.exit(main())
