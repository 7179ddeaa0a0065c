"""Errors as problem details (RFC 9457): what, why, how to fix, request id."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import PermissionDenied
from django.core.exceptions import ValidationError as DjangoValidationError
from django.http import Http404
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from rest_framework import exceptions, status
from rest_framework.response import Response
from rest_framework.settings import api_settings
from rest_framework.views import set_rollback

from console.refusals import Refusal

_SIGN_IN = gettext_lazy("Send `Authorization: Bearer` with a token from Settings, or sign in.")
_CORRECT = gettext_lazy("Correct the request; /api/docs/ shows its shape.")
_FIXES = {
    exceptions.NotAuthenticated: _SIGN_IN,
    exceptions.AuthenticationFailed: _SIGN_IN,
    exceptions.PermissionDenied: gettext_lazy("Ask an owner of the team for the role."),
    exceptions.NotFound: gettext_lazy("Check the address; lists show what you may see."),
    exceptions.Throttled: gettext_lazy("Wait for as many seconds as Retry-After says."),
    exceptions.ValidationError: _CORRECT,
    exceptions.ParseError: _CORRECT,
    exceptions.MethodNotAllowed: gettext_lazy("Use one of the methods named in Allow."),
}


class Problem(exceptions.APIException):
    """A refusal with a code, a reason and a fix, as use cases raise it.

    `code` is stable for programs; `detail` says what and why, `fix` what to do.
    """

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        fix: str = "",
        http: int = status.HTTP_409_CONFLICT,
        extra: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(detail, code)
        self.problem_code = code
        self.fix = fix
        self.status_code = http
        self.extra = extra or {}

    @classmethod
    def of(cls, refusal: Refusal) -> Problem:
        return cls(refusal.code, refusal.detail, fix=refusal.fix, http=refusal.http)


def _fields(detail: Any, path: str = "") -> list[dict[str, str]]:
    """DRF's nested errors as a flat list of {field, message}."""
    if isinstance(detail, dict):
        return [
            row
            for key, value in detail.items()
            for row in _fields(value, f"{path}.{key}" if path else str(key))
        ]
    if isinstance(detail, list):
        return [row for value in detail for row in _fields(value, path)]
    return [
        {
            "field": path.removesuffix(f".{api_settings.NON_FIELD_ERRORS_KEY}"),
            "message": str(detail),
        }
    ]


def _translate(exc: Exception) -> exceptions.APIException | None:
    if isinstance(exc, exceptions.APIException):
        return exc
    if isinstance(exc, Http404):
        return exceptions.NotFound(str(exc) or None)
    if isinstance(exc, PermissionDenied):
        return exceptions.PermissionDenied(str(exc) or None)
    if isinstance(exc, DjangoValidationError):
        return exceptions.ValidationError(exc.messages)
    return None


def body(exc: exceptions.APIException, *, request_id: str) -> dict[str, Any]:
    known = isinstance(exc, Problem)
    code = exc.problem_code if isinstance(exc, Problem) else exc.default_code
    result: dict[str, Any] = {
        "type": f"urn:spillway:problem:{code}",
        "title": str(exc.default_detail) if not known else str(exc.detail),
        "status": exc.status_code,
        "code": code,
        "request_id": request_id,
    }
    if isinstance(exc, exceptions.ValidationError):
        result["title"] = _("The request is not valid.")
        result["errors"] = _fields(exc.detail)
        result["detail"] = "; ".join(
            f"{row['field']}: {row['message']}" if row["field"] else row["message"]
            for row in result["errors"]
        )
    else:
        result["detail"] = str(exc.detail)
    if fix := exc.fix if isinstance(exc, Problem) else _fix(exc):
        result["fix"] = fix
    return {**result, **(exc.extra if isinstance(exc, Problem) else {})}


def _fix(exc: exceptions.APIException) -> str:
    """What the caller can do about an error of the framework."""
    return next((str(text) for kind, text in _FIXES.items() if isinstance(exc, kind)), "")


def handler(exc: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's exception handler; what it does not know becomes the 500 page of the middleware."""
    problem = _translate(exc)
    if problem is None:
        return None
    set_rollback()
    request = context.get("request")
    headers = {}
    if wait := getattr(problem, "wait", None):
        headers["Retry-After"] = str(int(wait) + 1)
    if header := getattr(problem, "auth_header", None):
        headers["WWW-Authenticate"] = header
    return Response(
        body(problem, request_id=getattr(request, "request_id", "-")),
        status=problem.status_code,
        headers=headers,
        content_type="application/problem+json",
    )
