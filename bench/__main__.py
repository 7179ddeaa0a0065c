"""`python -m bench [NAME ...]`: run the benches named, or all of them, one after another."""

from __future__ import annotations

import argparse
import subprocess
import sys

from bench import kube_vs_official, scale

BENCHES = {
    "kube_vs_official": lambda: kube_vs_official.compare(10_000, 5_000, 1_500),
    "scale": lambda: scale.main([]),
    # In processes of their own: they settle Django on directories of their own.
    "fleet": lambda: subprocess.run([sys.executable, "-m", "bench.fleet"], check=True),
    "money": lambda: subprocess.run([sys.executable, "-m", "bench.money"], check=True),
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(BENCHES))
    names = parser.parse_args().names or list(BENCHES)
    unknown = set(names) - set(BENCHES)
    if unknown:
        parser.error(f"there is no bench {', '.join(sorted(unknown))}")
    for name in names:
        sys.stdout.write(f"\n{name}\n")
        sys.stdout.flush()
        BENCHES[name]()


if __name__ == "__main__":
    main()
