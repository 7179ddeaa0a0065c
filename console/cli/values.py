"""Parameters of components as they are given on a command line: files, then `--set` over them."""

from __future__ import annotations

import copy
import functools
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import yaml

from console.cli.api import Json
from console.cli.errors import Usage

_DECORATORS = (
    click.option(
        "--values",
        "-f",
        "files",
        multiple=True,
        type=click.Path(path_type=Path),
        help="YAML or JSON file of parameters.",
    ),
    click.option(
        "--set",
        "sets",
        multiple=True,
        metavar="KEY=VALUE",
        help="One parameter; dots go deeper, VALUE is JSON or else text.",
    ),
    click.option("--unset", "unsets", multiple=True, metavar="KEY", help="Back to its default."),
)


@dataclass(frozen=True, slots=True)
class Given:
    files: tuple[Path, ...] = ()
    sets: tuple[str, ...] = ()
    unsets: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.files or self.sets or self.unsets)

    def over(self, base: Json) -> Json:
        """`base` with what was given over it; `base` stays as it is. Raises `Usage`."""
        result: Json = copy.deepcopy(base)
        for file in self.files:
            result = _merged(result, _read(file))
        for text in self.sets:
            key, sign, value = text.partition("=")
            if not sign or not key:
                raise Usage(f"--set takes KEY=VALUE, not {text!r}.")
            parent, name = _place(result, key)
            parent[name] = _value(value)
        for key in self.unsets:
            parent, name = _place(result, key)
            parent.pop(name, None)
        return result


def options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the options; the command gets them as `given`."""

    @functools.wraps(function)
    def command(*args: Any, files: Any, sets: Any, unsets: Any, **kwargs: Any) -> Any:
        return function(*args, given=Given(files, sets, unsets), **kwargs)

    decorated: Callable[..., Any] = command
    for decorate in reversed(_DECORATORS):
        decorated = decorate(decorated)
    return decorated


def _merged(below: Json, above: Json) -> Json:
    result = dict(below)
    for key, value in above.items():
        under = result.get(key)
        both = isinstance(under, dict) and isinstance(value, dict)
        result[key] = _merged(under, value) if both and isinstance(under, dict) else value
    return result


def _place(values: Json, key: str) -> tuple[Json, str]:
    *way, name = key.split(".")
    for part in way:
        values = values.setdefault(part, {})
        if not isinstance(values, dict):
            raise Usage(f"{key}: {part} is no object.")
    return values, name


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def _read(file: Path) -> Json:
    try:
        text = click.open_file(str(file), encoding="utf-8").read()
        found = yaml.safe_load(text)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise Usage(f"{file} cannot be read: {error}") from error
    if found is not None and not isinstance(found, dict):
        raise Usage(f"{file} holds no parameters but a {type(found).__name__}.")
    return found or {}
