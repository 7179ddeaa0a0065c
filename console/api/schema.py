"""What every operation of the OpenAPI document has in common: the key, and how it refuses."""

from __future__ import annotations

from typing import Any

_CHANGES = ("post", "put", "patch", "delete")
_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
    "description": "The same key and body give the same answer and one effect, for a day.",
}
_TEXT = {"type": "string"}
PROBLEM = {
    "type": "object",
    "description": "RFC 9457, Problem Details for HTTP APIs",
    "required": ["type", "title", "detail", "status", "code", "request_id"],
    "properties": {
        "type": {"type": "string", "example": "urn:spillway:problem:not_found"},
        "title": _TEXT,
        "detail": {"type": "string", "description": "What happened and why"},
        "fix": {"type": "string", "description": "What to do about it"},
        "status": {"type": "integer"},
        "code": {"type": "string", "description": "Stable, for programs"},
        "request_id": _TEXT,
        "errors": {
            "type": "array",
            "items": {"type": "object", "properties": {"field": _TEXT, "message": _TEXT}},
        },
    },
}


def common(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """A post-processing hook of drf-spectacular."""
    result["components"]["schemas"]["Problem"] = PROBLEM
    reference = {"$ref": "#/components/schemas/Problem"}
    refusal = {
        "description": "Refused or failed",
        "content": {"application/problem+json": {"schema": reference}},
    }
    for path in result["paths"].values():
        for method, operation in path.items():
            operation["responses"]["default"] = refusal
            if method in _CHANGES:
                operation.setdefault("parameters", []).append(_KEY)
    return result
