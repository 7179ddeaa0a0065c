"""`/healthz`: this web process answers; `/readyz`: and its database and Redis answer it."""

from __future__ import annotations

import redis
from django.conf import settings
from django.db import DatabaseError, connection
from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_safe


@require_safe
def alive(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"status": "ok"})


def _database() -> str:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError as error:
        return type(error).__name__
    return "ok"


def _redis() -> str:
    try:
        with redis.Redis.from_url(settings.REDIS_URL, socket_timeout=2) as client:
            client.ping()
    except redis.RedisError as error:
        return type(error).__name__
    return "ok"


@require_safe
def ready(request: HttpRequest) -> JsonResponse:
    parts = {"database": _database(), "redis": _redis()}
    good = all(state == "ok" for state in parts.values())
    return JsonResponse(parts, status=200 if good else 503)
