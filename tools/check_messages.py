"""Every text has a Chinese translation: none missing, none fuzzy, none left over.

Run by `make check`. Texts are collected again with `makemessages` when GNU gettext is installed;
without it only the catalogues themselves are checked, and that is said.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from babel.messages.pofile import read_po

ROOT = Path(__file__).resolve().parent.parent
LOCALE = Path("locale/zh_Hans/LC_MESSAGES")
IGNORED = (".venv", "node_modules", "static/vendor", "var", ".demo", "staticfiles", "tests")


def ids(path: Path) -> set[str]:
    with path.open("rb") as file:
        catalogue = read_po(file)
    return {str(message.id) for message in catalogue if message.id}


def complaints(path: Path) -> list[str]:
    with path.open("rb") as file:
        catalogue = read_po(file)
    found = []
    for message in catalogue:
        strings = message.string if isinstance(message.string, tuple) else (message.string,)
        if message.id and not all(strings):
            found.append(f"{path.name}: no translation of {message.id!r}")
        if message.id and message.fuzzy:
            found.append(f"{path.name}: fuzzy: {message.id!r}")
    return found


def collected(domain: str, work: Path) -> set[str]:
    """The texts that stand in the sources now."""
    tree = work / domain
    shutil.copytree(
        ROOT, tree, ignore=shutil.ignore_patterns(*IGNORED, ".git", ".venv", "vendor", "*.mo")
    )
    environment = {**os.environ, "SPILLWAY_SECRET_KEY": "only-to-collect", "PYTHONPATH": str(tree)}
    environment["SPILLWAY_DATA_DIR"] = str(work / "data")
    command = [
        *(sys.executable, "manage.py", "makemessages", "-l", "zh_Hans", "-d", domain),
        *("--no-location", "--no-wrap", "--no-obsolete"),
        *(part for name in ("tests", "sandbox", "bench", "static/vendor") for part in ("-i", name)),
    ]
    subprocess.run(command, cwd=tree, env=environment, check=True, stdout=subprocess.DEVNULL)
    return ids(tree / LOCALE / f"{domain}.po")


def main() -> int:
    found: list[str] = []
    for domain in ("django", "djangojs"):
        path = ROOT / LOCALE / f"{domain}.po"
        found += complaints(path)
        if shutil.which("xgettext"):
            with tempfile.TemporaryDirectory() as work:
                found += [
                    f"{path.name}: not collected: {text!r}"
                    for text in sorted(collected(domain, Path(work)) - ids(path))
                ]
        else:
            print(f"{domain}: GNU gettext is not installed; sources were not collected again")
    print("\n".join(found) or "every text is translated")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
