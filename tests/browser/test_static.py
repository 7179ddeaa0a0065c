"""What the browser is sent: pinned, small, and able to run under the strict policy."""

from __future__ import annotations

import gzip
import hashlib
import re
import tomllib
from pathlib import Path

import pytest
from django.contrib.staticfiles.storage import StaticFilesStorage
from django.core.files.base import ContentFile

from console.staticfiles import HashedStorage

ROOT = Path(__file__).resolve().parent.parent.parent
STATIC = ROOT / "static"
VENDOR = STATIC / "vendor"
SCRIPTS = sorted((STATIC / "js").glob("*.js"))
TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))
PARTS = tomllib.loads((VENDOR / "VENDOR.toml").read_text())
IMPORT = re.compile(r"^import\b.*$", re.MULTILINE)
UNSAFE = re.compile(
    r"\sstyle=|\son[a-z]+=[\"']|javascript:|hx-on|<script(?![^>]*\bsrc=)|<style\b|hx-\S+=[\"']js:",
    re.IGNORECASE,
)


def size(*paths: Path) -> int:
    return sum(len(gzip.compress(path.read_bytes())) for path in paths)


@pytest.mark.parametrize("name", sorted(PARTS))
def test_vendored_parts_are_what_was_pinned(name: str) -> None:
    part = PARTS[name]
    for path, digest in part["sha256"].items():
        assert hashlib.sha256((VENDOR / path).read_bytes()).hexdigest() == digest
        assert path.startswith(f"{name}-{part['version']}/")
    assert f"{name} {part['version']} ({part['licence']})" in (VENDOR / "NOTICE").read_text()


def test_every_vendored_file_is_listed() -> None:
    listed = {path for part in PARTS.values() for path in part["sha256"]}
    found = {str(p.relative_to(VENDOR)) for p in VENDOR.rglob("*") if p.parent != VENDOR}
    assert {p for p in found if (VENDOR / p).is_file()} == listed


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_imports_survive_hashed_names(path: Path) -> None:
    """ManifestStaticFilesStorage rewrites only relative imports of statements that end with `;`."""
    text = path.read_text()
    for statement in IMPORT.findall(text):
        assert re.search(r'from "\.\.?/[\w./-]+\.js";$', statement), statement
    assert "sourceMappingURL" not in text
    assert len(text.splitlines()) <= 500


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: str(path.relative_to(ROOT)))
def test_templates_need_no_inline_style_or_script(path: Path) -> None:
    assert UNSAFE.findall(path.read_text()) == []


def test_the_inline_detector_detects() -> None:
    for bad in ('<p style="x">', "<a onclick='x'>", "<script>x</script>", '<b hx-on:click="x">'):
        assert UNSAFE.search(bad)
    assert not UNSAFE.search('<script type="module" src="/static/js/app.js"></script>')


def test_the_shell_stays_small() -> None:
    shell = [
        "app",
        "copy",
        "dialog",
        "dom",
        "format",
        "fragments",
        "help",
        "i18n",
        "live",
        "menus",
        "palette",
        "stream",
        "theme",
        "time",
        "toast",
    ]
    assert size(*(STATIC / "js" / f"{name}.js" for name in shell)) <= 15_000
    assert size(VENDOR / f"htmx-{PARTS['htmx']['version']}" / "htmx.min.js") <= 14_000
    assert size(STATIC / "css" / "spillway.css") <= 12_000


def test_colours_are_written_once_as_tokens() -> None:
    """Beyond the tokens only the always-dark log and the sign-in picture name a colour."""
    css = (STATIC / "css" / "spillway.css").read_text().split("@layer components {", 1)[1]
    rules = [rule for rule in re.findall(r"[^{}]+\{[^{}]*\}", css) if ".log" not in rule]
    body = re.sub(r"light-dark\([^;]*\)", "", "\n".join(rules))
    assert set(re.findall(r"#[0-9a-fA-F]{3,8}\b", body)) <= {
        "#14307d",
        "#0f5b73",
        "#0b7c70",
        "#fff",
    }


def test_modules_load_under_hashed_names(tmp_path: Path) -> None:
    """The post-processing that `collectstatic` does, over our scripts and what they import."""
    source = StaticFilesStorage(location=str(STATIC), base_url="/static/")
    storage = HashedStorage(location=str(tmp_path), base_url="/static/")
    paths = {}
    for path in STATIC.rglob("*"):
        if path.is_file():
            name = str(path.relative_to(STATIC))
            storage._save(name, ContentFile(path.read_bytes()))
            paths[name] = (source, name)
    results = [result for _name, _new, result in storage.post_process(paths)]
    assert [result for result in results if isinstance(result, Exception)] == []
    app = (tmp_path / storage.stored_name("js/app.js")).read_text()
    assert re.search(r'import\("\./vn-table\.[0-9a-f]{12}\.js"\)', app)
    assert re.search(r'from "\./toast\.[0-9a-f]{12}\.js"', app)
    css = (tmp_path / storage.stored_name("css/spillway.css")).read_text()
    assert re.search(r"inter-latin\.[0-9a-f]{12}\.woff2", css)
