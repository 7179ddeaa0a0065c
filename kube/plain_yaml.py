"""YAML from strangers: plain texts, lists and mappings only, bounded in size and depth.

No tags are honoured, no type is guessed, anchors and aliases are refused (they are how a small
file becomes a huge one), and no part of the text appears in an error.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import yaml
import yaml.resolver


class PlainYamlError(Exception):
    """`code`: too-large, too-deep, alias or invalid-yaml; `line` counts from 1, 0 if unknown."""

    def __init__(self, code: str, message: str, line: int = 0) -> None:
        super().__init__(f"{message} (line {line})" if line else message)
        self.code = code
        self.line = line


class _Loader(yaml.BaseLoader):
    max_depth = 0
    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        line = event.start_mark.line + 1 if event.start_mark else 0
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise PlainYamlError("alias", "anchors and aliases are not accepted", line)
        self.depth += 1
        if self.depth > self.max_depth:
            raise PlainYamlError("too-deep", "nested too deeply", line)
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


class _Resolving(_Loader, yaml.resolver.Resolver):
    """Gives every scalar that has no tag of its own the tag of its YAML 1.1 type."""


def load(text: str | bytes, *, max_bytes: int, max_depth: int) -> Any:
    """The one document in `text`: dict, list or str, every scalar a str; PlainYamlError."""
    with _reading(_Loader, text, max_bytes, max_depth) as loader:
        return loader.get_single_data()


def compose(text: str | bytes, *, max_bytes: int, max_depth: int) -> list[yaml.Node]:
    """The documents in `text` as nodes with tags and marks, empty ones left out; PlainYamlError."""
    found = []
    with _reading(_Resolving, text, max_bytes, max_depth) as loader:
        while loader.check_node():
            node = loader.get_node()
            if node is not None and node.tag != "tag:yaml.org,2002:null":
                found.append(node)
    return found


@contextmanager
def _reading(
    kind: type[_Loader], text: str | bytes, max_bytes: int, max_depth: int
) -> Iterator[_Loader]:
    data = text.encode() if isinstance(text, str) else text
    if len(data) > max_bytes:
        raise PlainYamlError("too-large", f"larger than {max_bytes} bytes")
    try:
        loader = kind(data.decode("utf-8-sig"))
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise PlainYamlError("invalid-yaml", "is not UTF-8 text") from error
    loader.max_depth = max_depth
    try:
        yield loader
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 0
        raise PlainYamlError("invalid-yaml", "is not valid YAML", line) from None
    except (yaml.YAMLError, ValueError, TypeError, RecursionError):
        raise PlainYamlError("invalid-yaml", "is not valid YAML") from None
    finally:
        loader.dispose()
