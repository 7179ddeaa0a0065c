"""Derive ``definitions.json.gz`` from the ``kubernetes-validate`` package (Apache-2.0).

Run by hand when the simulated version changes: ``python derive_definitions.py _definitions.json``
with the ``_definitions.json`` of that version (folder ``vX.Y.0-local`` in the wheel).
"""

import gzip
import json
import sys
from pathlib import Path
from typing import Any

from sandbox.cluster.resources import BUILT_IN

PREFIX = "#/$defs/"
TARGET = "#/components/schemas/"
EXTRA = (
    "meta.v1.Status",
    "meta.v1.DeleteOptions",
    "meta.v1.WatchEvent",
    "v1.Scale",
    "v1.Eviction",
    "v1.TokenRequest",
)
LIMIT = 400


def clean(node: Any, name: str = "") -> Any:
    """Turn one JSON schema of the package into one of OpenAPI v3."""
    if isinstance(node, list):
        return [clean(item) for item in node]
    if not isinstance(node, dict):
        return node
    if "oneOf" in node:
        quantity = name.endswith("Quantity")
        return {"type": "string"} if quantity else {"format": "int-or-string", "type": "string"}
    if "$ref" in node:
        ref = {"$ref": node["$ref"].replace(PREFIX, TARGET)}
        extras = {k: v for k, v in node.items() if k in ("description",)}
        return {"allOf": [ref], **extras} if extras else ref
    out = {}
    for key, value in node.items():
        if key == "properties":
            out[key] = {k: clean(v) for k, v in value.items()}
        elif key == "type" and isinstance(value, list):
            out[key] = next(t for t in value if t != "null")
        elif key == "description" and len(value) > LIMIT:
            out[key] = value[:LIMIT].rsplit(" ", 1)[0] + " ..."
        elif key == "enum":
            continue
        else:
            out[key] = clean(value) if isinstance(value, dict | list) else value
    return out


def references(node: Any) -> set[str]:
    """Return the definitions that a schema names."""
    if isinstance(node, dict):
        ref = node.get("$ref")
        here = {ref.removeprefix(PREFIX)} if isinstance(ref, str) else set()
        return here.union(*(references(v) for v in node.values()))
    if isinstance(node, list):
        return set().union(*(references(v) for v in node))
    return set()


def roots(definitions: dict[str, Any]) -> set[str]:
    """Return the definitions of the served kinds and their lists."""
    wanted = {(r.group, r.version, r.kind) for r in BUILT_IN}
    found = {name for name in definitions if name.endswith(EXTRA)}
    for name, schema in definitions.items():
        for gvk in schema.get("x-kubernetes-group-version-kind", ()):
            if (gvk.get("group", ""), gvk["version"], gvk["kind"].removesuffix("List")) in wanted:
                found.add(name)
    return found


def main(source: str) -> None:
    """Write the trimmed file next to this script."""
    definitions = json.loads(Path(source).read_text())["$defs"]
    todo, chosen = roots(definitions), set()
    while todo:
        name = todo.pop()
        if name not in chosen:
            chosen.add(name)
            todo |= references(definitions[name])
    trimmed = {name: clean(definitions[name], name) for name in sorted(chosen)}
    text = json.dumps(trimmed, separators=(",", ":"), ensure_ascii=False).encode()
    target = Path(__file__).with_name("definitions.json.gz")
    target.write_bytes(gzip.compress(text, 9, mtime=0))
    sys.stdout.write(f"{len(trimmed)} definitions, {len(text)} bytes\n")


if __name__ == "__main__":
    main(sys.argv[1])
