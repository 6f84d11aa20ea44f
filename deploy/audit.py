"""Ask an advisory service about the versions in constraints.txt, with pip-audit; `make audit` runs it.

Where no service answers, pip-audit may end as if all was well: every package is then "not found". That is
said plainly here, and is no failure, for nothing is known.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

CONSTRAINTS = Path(__file__).resolve().parents[1] / "constraints.txt"
COMMAND = ("pip_audit", "--no-deps", "--disable-pip", "--format", "json", "--progress-spinner", "off")


def verdict(answer: str, trouble: str) -> tuple[str, int]:
    """What to say, and the exit status: 1 if advisories were found, 0 if there are none or nobody answered.

    Args:
        answer: the JSON that pip-audit printed; empty or broken when it did not come so far.
        trouble: what it told of errors.
    """
    try:
        packages = json.loads(answer)["dependencies"]
    except (ValueError, KeyError):
        why = trouble.strip().splitlines()[-1:] or ["pip-audit printed nothing"]
        return f"NOT AUDITED, no advisory service answered: {why[0]}", 0
    asked = [package for package in packages if "skip_reason" not in package]
    if not asked:
        return f"NOT AUDITED, the advisory service knows none of {len(packages)} packages", 0
    found = [
        f"{package['name']} {package['version']}: {one['id']}, mended in {one['fix_versions']}"
        for package in asked
        for one in package["vulns"]
    ]
    rest = [f"not audited: {package['name']}" for package in packages if "skip_reason" in package]
    summary = f"{len(found)} advisories about {len(asked)} packages"
    return "\n".join([*rest, *found, summary]), 1 if found else 0


def main() -> int:
    """Run pip-audit and print the verdict."""
    done = subprocess.run(
        [sys.executable, "-m", *COMMAND, "--requirement", str(CONSTRAINTS)],
        capture_output=True,
        text=True,
        check=False,
    )
    told, status = verdict(done.stdout, done.stderr)
    print(told)
    return status


if __name__ == "__main__":
    sys.exit(main())
