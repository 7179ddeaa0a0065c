"""`Idempotency-Key`: the same key and body give the same answer and one effect.

The key's row is made before the effect. A second request with the key and another body is refused
(422); one that comes while the first is still at work gets 409; a key lives for a day.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Concatenate, ParamSpec, cast

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from rest_framework.request import Request
from rest_framework.response import Response

from console.api.problems import Problem
from console.models import IdempotencyKey

KEPT = timedelta(hours=24)
_STUCK = timedelta(minutes=2)
P = ParamSpec("P")


def _fingerprint(request: Request) -> str:
    text = json.dumps([request.method, request.path, request.data], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def _claim(user: User, key: str, fingerprint: str) -> tuple[IdempotencyKey, bool]:
    try:
        with transaction.atomic():
            return IdempotencyKey.objects.create(user=user, key=key, fingerprint=fingerprint), True
    except IntegrityError:
        return IdempotencyKey.objects.get(user=user, key=key), False


def _answer_again(row: IdempotencyKey, fingerprint: str) -> Response:
    if row.fingerprint != fingerprint:
        raise Problem(
            "idempotency_mismatch",
            _("This Idempotency-Key was used for another request."),
            fix=_("Send a new key with a new request."),
            http=422,
        )
    if row.status is None:
        raise Problem(
            "idempotency_in_progress",
            _("The first request with this Idempotency-Key is still at work."),
            fix=_("Ask again in a moment with the same key."),
        )
    return Response(row.body, status=row.status, headers={"Idempotency-Replayed": "true"})


def idempotent(
    method: Callable[Concatenate[Any, Request, P], Response],
) -> Callable[Concatenate[Any, Request, P], Response]:
    """Decorates a handler of a view or view set."""

    @functools.wraps(method)
    def wrapper(self: Any, request: Request, *args: P.args, **kwargs: P.kwargs) -> Response:
        key = request.headers.get("Idempotency-Key", "")
        if not key:
            return method(self, request, *args, **kwargs)
        if len(key) > 255 or not key.isprintable():
            raise Problem(
                "idempotency_key_invalid",
                _("An Idempotency-Key has 1 to 255 printable characters."),
                http=400,
            )
        assert isinstance(request.user, User)
        old = timezone.now() - KEPT
        stuck = timezone.now() - _STUCK
        IdempotencyKey.objects.filter(user=request.user, created_at__lt=old).delete()
        IdempotencyKey.objects.filter(
            user=request.user, key=key, status=None, created_at__lt=stuck
        ).delete()
        fingerprint = _fingerprint(request)
        row, fresh = _claim(request.user, key, fingerprint)
        if not fresh:
            return _answer_again(row, fingerprint)
        try:
            response = method(self, request, *args, **kwargs)
        except BaseException:
            # Nothing is remembered of a refusal: the corrected request may use the key again.
            row.delete()
            raise
        body = json.loads(json.dumps(response.data, default=str))
        IdempotencyKey.objects.filter(pk=row.pk).update(status=response.status_code, body=body)
        return response

    return cast("Callable[Concatenate[Any, Request, P], Response]", wrapper)
