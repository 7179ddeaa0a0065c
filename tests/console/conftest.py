from __future__ import annotations

from typing import Any

import pytest
from django.conf import settings
from django.core.cache import cache
from django.test import Client
from rest_framework.test import APIClient

from tests.console.cast import Cast, Fleet, make_cast, make_fleet

# Static files are served from their sources; WhiteNoise wants the folder all the same.
settings.STATIC_ROOT.mkdir(parents=True, exist_ok=True)


@pytest.fixture(autouse=True)
def local_cache(settings: Any) -> None:
    """Counts of sign-ins and of calls stay in this process."""
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
    cache.clear()


@pytest.fixture
def cast(db: None) -> Cast:
    return make_cast()


@pytest.fixture
def fleet(cast: Cast) -> Fleet:
    return make_fleet(cast.team)


@pytest.fixture
def page(cast: Cast) -> Client:
    """Alice's browser."""
    client = Client()
    client.force_login(cast.alice)
    return client


@pytest.fixture
def api(cast: Cast) -> APIClient:
    """Alice's program."""
    client = APIClient()
    client.force_login(cast.alice)
    return client
