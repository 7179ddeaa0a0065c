"""The JSONPath of CRD printer columns: fields, indexes, ``[*]`` and simple filters."""

import re
from typing import Any

_TOKEN = re.compile(
    r"\.(?P<field>(?:\\.|[^.\[\]\\])+)"
    r"|\[(?P<index>-?\d+)\]"
    r"|\[(?P<all>\*)\]"
    r"|\['(?P<quoted>[^']*)'\]"
    r"|\[\?\(@\.(?P<key>[\w.]+)\s*==\s*['\"](?P<value>[^'\"]*)['\"]\)\]"
)


def find(document: Any, path: str) -> list[Any]:
    """Return every value the path selects; an odd path selects nothing."""
    text = path.strip().strip("{}")
    if text and text[0] not in ".[":
        text = "." + text
    values, position = [document], 0
    while position < len(text):
        token = _TOKEN.match(text, position)
        if token is None:
            return []
        values = [found for value in values for found in _step(value, token)]
        position = token.end()
    return values


def _step(value: Any, token: re.Match[str]) -> list[Any]:
    name = token.group("field") or token.group("quoted")
    if name is not None:
        name = name.replace("\\.", ".")
        return [value[name]] if isinstance(value, dict) and name in value else []
    if not isinstance(value, list):
        return []
    if token.group("all"):
        return list(value)
    if token.group("index"):
        index = int(token.group("index"))
        return [value[index]] if -len(value) <= index < len(value) else []
    key, wanted = token.group("key"), token.group("value")
    return [item for item in value if isinstance(item, dict) and str(item.get(key)) == wanted]
