"""One cluster without controllers for the API tests, a fresh namespace for each."""

from collections.abc import Iterator
from itertools import count

import pytest
from kubernetes import client

from .serving import Served

_numbers = count(1)


@pytest.fixture(scope="session")
def served() -> Iterator[Served]:
    made = Served(controllers=False)
    yield made
    made.stop()


@pytest.fixture(scope="session")
def api(served: Served) -> Iterator[client.ApiClient]:
    with served.api() as made:
        yield made


@pytest.fixture
def core(api: client.ApiClient) -> client.CoreV1Api:
    return client.CoreV1Api(api)


@pytest.fixture
def apps(api: client.ApiClient) -> client.AppsV1Api:
    return client.AppsV1Api(api)


@pytest.fixture
def ns(core: client.CoreV1Api) -> str:
    name = f"test-{next(_numbers)}"
    core.create_namespace({"metadata": {"name": name}})
    return name
