from __future__ import annotations

from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client

from tests.console.cast import Cast, Fleet, make_cast, make_fleet


@pytest.fixture
def people(db: None, settings: Any) -> Cast:
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
    cache.clear()
    settings.STATIC_ROOT.mkdir(parents=True, exist_ok=True)
    return make_cast()


@pytest.fixture
def fleet(people: Cast) -> Fleet:
    return make_fleet(people.team)


@pytest.fixture
def vera(people: Cast) -> Client:
    """The browser of somebody who may only look."""
    client = Client()
    client.force_login(people.vera)
    return client
