"""A cloud goes with its folder and its line in the registry; nothing else knows it."""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import grimp
import pytest
from django.conf import settings

from providers.registry import PROVIDERS

ROOT = Path(settings.BASE_DIR)
ROOMS = ("console", "addons", "providers", "kube")
COPIED = (*ROOMS, "templates", "static", "locale", "tests")


@pytest.fixture(scope="module")
def imports() -> grimp.ImportGraph:
    return grimp.build_graph(*ROOMS, cache_dir=None)


@pytest.mark.parametrize("name", PROVIDERS)
def test_no_module_outside_its_folder_imports_it(imports: grimp.ImportGraph, name: str) -> None:
    package = f"providers.{name}"
    own = {package, *imports.find_descendants(package)}
    importers = {
        importer for module in own for importer in imports.find_modules_that_directly_import(module)
    }
    assert importers - own == set()


def _remove(copy: Path, name: str) -> None:
    """`rm -r` and one entry of the registry."""
    shutil.rmtree(copy / "providers" / name)
    registry = copy / "providers/registry.py"
    text = registry.read_text()
    [entries] = [
        node.value
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == "PROVIDERS"
    ]
    assert isinstance(entries, ast.Dict)
    [(key, value)] = [
        (key, value)
        for key, value in zip(entries.keys, entries.values, strict=True)
        if isinstance(key, ast.Constant) and key.value == name
    ]
    lines = text.splitlines(keepends=True)
    del lines[key.lineno - 1 : value.end_lineno]
    registry.write_text("".join(lines))


@pytest.mark.parametrize("name", PROVIDERS)
def test_the_rest_works_without_it(tmp_path: Path, name: str) -> None:
    copy = tmp_path / "copy"
    skipped = shutil.ignore_patterns("__pycache__", "shots", "*.png", "vendor")
    for folder in COPIED:
        shutil.copytree(ROOT / folder, copy / folder, ignore=skipped)
    _remove(copy, name)
    kept = {key: os.environ[key] for key in ("PATH", "HOME", "LANG") if key in os.environ}
    done = subprocess.run(
        [sys.executable, "-m", "tests.providers.without"],
        cwd=copy,
        env={
            **kept,
            "DJANGO_SETTINGS_MODULE": "console.settings",
            "SPILLWAY_DATA_DIR": str(tmp_path / "data"),
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert json.loads(done.stdout.splitlines()[-1]) == [
        other for other in PROVIDERS if other != name
    ]
