"""Start the demo: `python -m sandbox.demo [--dir .demo] [--port 8000] [--empty]`."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import threading
from pathlib import Path

from honcho.manager import Manager
from honcho.printer import Printer

from sandbox.demo import house, seed

ROOT = Path(__file__).resolve().parents[2]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--dir", type=Path, default=ROOT / ".demo")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--ports", default="18080", help="first port of the world, or `random`")
    parser.add_argument("--empty", action="store_true", help="register nothing, apply nothing")
    parser.add_argument("--quiet", action="store_true", help="no log lines of the processes")
    return parser.parse_args()


def _collected(directory: Path) -> bool:
    """Whether the static files were collected after the last change of their sources."""
    manifest = directory / "data" / "static" / "staticfiles.json"
    sources = (*(ROOT / "static").rglob("*"), ROOT / "requirements.lock")
    newest = max(path.stat().st_mtime for path in sources)
    return manifest.exists() and manifest.stat().st_mtime > newest


def _prepare(env: dict[str, str], directory: Path) -> None:
    """Static files beside the database and the first user."""
    manage = [sys.executable, "manage.py"]
    collect = [*manage, "collectstatic", "--no-input", "--verbosity", "0"]
    stale = not _collected(directory)
    collecting = subprocess.Popen(collect, cwd=ROOT, env=env) if stale else None
    commands = (
        ["migrate", "--verbosity", "0"],
        [
            *("bootstrap", "--password-file", str(directory / "password")),
            *("--token-file", str(directory / "token")),
        ],
    )
    for command in commands:
        subprocess.run([*manage, *command], cwd=ROOT, env=env, check=True)
    if collecting and collecting.wait() != 0:
        raise SystemExit("the static files could not be collected")


def _run(manager: Manager, env: dict[str, str], directory: Path, ports: str) -> None:
    world = f"{sys.executable} -m sandbox --state-dir {directory / 'world'} --ports {ports}"
    for name, command in (("sandbox", world), *house.procfile(ROOT / "Procfile")):
        keeper, variable = house.respawn(name, command)
        manager.add_process(name, keeper, env={**env, **variable}, cwd=str(ROOT))
    manager.loop()


def main() -> int:
    arguments = _arguments()
    directory = arguments.dir.resolve()
    env = {**os.environ, **house.environment(directory, arguments.port)}
    # A world.json of the last run would be believed before the new world answers.
    (directory / "world" / "world.json").unlink(missing_ok=True)
    sink = subprocess.DEVNULL if arguments.quiet else None
    manager = Manager(Printer(open(os.devnull, "w") if sink else sys.stderr))  # noqa: PTH123, SIM115
    _prepare(env, directory)
    guide = seed.Guide(directory, arguments.port, empty=arguments.empty)
    threading.Thread(target=guide.run, daemon=True).start()
    _run(manager, env, directory, arguments.ports)
    return 0


if __name__ == "__main__":
    sys.exit(main())
