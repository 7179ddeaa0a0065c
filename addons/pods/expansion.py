"""`$(VAR)` in commands, arguments and environment values, as the kubelet expands them.

Source: Kubernetes `third_party/forked/golang/expansion` and the API reference of `Container.args`:
`$$` is a dollar, an unknown name stays as written, syntax errors stay as written.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_TOKEN = re.compile(r"\$(\$|\(([^)]*)\))?")


def expand(text: str, variables: Mapping[str, str]) -> str:
    """One pass from left to right; what was put in is not expanded again."""

    def replace(match: re.Match[str]) -> str:
        operator, name = match.group(1), match.group(2)
        if operator == "$":
            return "$"
        if name is None:
            return match.group(0)
        return variables.get(name, match.group(0))

    return _TOKEN.sub(replace, text)
