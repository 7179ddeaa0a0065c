"""Authorization."""

from sandbox.cluster.request import User
from sandbox.cluster.route import Target
from sandbox.cluster.store import Store


class Authorizer:
    """Decides what a user may do."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def check(self, user: User, verb: str, target: Target) -> None:
        """Raise ApiError 403 when the request is not allowed."""

    def check_path(self, user: User, verb: str, path: str) -> None:
        """Raise ApiError 403 when a non-resource path is not allowed."""
