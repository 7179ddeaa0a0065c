"""`Idempotency-Key`: the same key and body give the same answer and one effect.

It holds for every call that changes something. The key's row is made before the effect. A second
request with the key and another body is refused (422); one that comes while the first is still at
work gets 409; a key lives for a day.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any, ClassVar

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from console.api.problems import Problem
from console.models import IdempotencyKey

KEPT = timedelta(hours=24)
_STUCK = timedelta(minutes=2)
_CHANGES = ("POST", "PUT", "PATCH", "DELETE")
Handler = Callable[..., Response]


def _fingerprint(request: Request) -> str:
    text = json.dumps([request.method, request.path, request.data], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def _claim(user: User, key: str, fingerprint: str) -> tuple[IdempotencyKey, bool]:
    try:
        with transaction.atomic():
            return IdempotencyKey.objects.create(user=user, key=key, fingerprint=fingerprint), True
    except IntegrityError:
        return IdempotencyKey.objects.get(user=user, key=key), False


def _forget_old(user: User, key: str) -> None:
    now = timezone.now()
    mine = IdempotencyKey.objects.filter(user=user)
    mine.filter(created_at__lt=now - KEPT).delete()
    mine.filter(key=key, status=None, created_at__lt=now - _STUCK).delete()


def _in_progress() -> Problem:
    return Problem(
        "idempotency_in_progress",
        _("The first request with this Idempotency-Key is still at work."),
        fix=_("Ask again in a moment with the same key."),
    )


def _answer_again(row: IdempotencyKey, fingerprint: str) -> Response:
    if row.fingerprint != fingerprint:
        raise Problem(
            "idempotency_mismatch",
            _("This Idempotency-Key was used for another request."),
            fix=_("Send a new key with a new request."),
            http=422,
        )
    if row.status is None:
        raise _in_progress()
    return Response(row.body, status=row.status, headers={"Idempotency-Replayed": "true"})


def _once(
    handler: Handler,
    key: str,
    secrets: tuple[str, ...],
    request: Request,
    *args: Any,
    **kwargs: Any,
) -> Response:
    user = request.user
    assert isinstance(user, User)
    _forget_old(user, key)
    fingerprint = _fingerprint(request)
    try:
        row, fresh = _claim(user, key, fingerprint)
    except IdempotencyKey.DoesNotExist as error:
        # The first request was refused between our two looks.
        raise _in_progress() from error
    if not fresh:
        return _answer_again(row, fingerprint)
    try:
        response = handler(request, *args, **kwargs)
    except BaseException:
        # Nothing is remembered of a refusal: the corrected request may use the key again.
        row.delete()
        raise
    kept = json.loads(json.dumps(response.data, default=str))
    body = {k: v for k, v in kept.items() if k not in secrets} if secrets else kept
    IdempotencyKey.objects.filter(pk=row.pk).update(status=response.status_code, body=body)
    return response


class Idempotent(APIView):
    """Wraps the handlers that change something; `secrets` are never kept for a second answer."""

    secrets: ClassVar[tuple[str, ...]] = ()

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        key = request.headers.get("Idempotency-Key")
        name = (request.method or "").lower()
        if key is None or request.method not in _CHANGES or not hasattr(self, name):
            return
        if not 0 < len(key) <= 255 or not key.isprintable():
            raise Problem(
                "idempotency_key_invalid",
                _("An Idempotency-Key has 1 to 255 printable characters."),
                http=400,
            )
        setattr(self, name, functools.partial(_once, getattr(self, name), key, self.secrets))
