"""AccessKeys of the account: lasting ones of IAM users, and temporary ones with a token."""

import random
import string
import uuid

import msgspec

_LETTERS = string.ascii_letters + string.digits
FORGET_SECONDS = 24 * 3600.0


class Key(msgspec.Struct):
    """An AccessKey pair of an IAM user. Without ``permission`` IAM denies everything.

    A temporary key has a ``token`` and ends at ``expires_at`` (Unix seconds). ``projects`` limits
    what lists show; None is every project.
    """

    access_key_id: str
    access_key_secret: str
    note: str
    user: str = "spillway"
    disabled: bool = False
    permission: bool = True
    denied_actions: list[str] = []
    projects: list[int] | None = None
    token: str = ""
    expires_at: float | None = None
    created_at: float = 0.0
    used_at: float | None = None

    def may(self, action: str) -> bool:
        """Tell whether IAM allows an action."""
        return self.permission and action not in self.denied_actions

    def sees(self, project: int) -> bool:
        """Tell whether lists show resources of a project."""
        return self.projects is None or project in self.projects


class Keys:
    """All keys by id. ``rng`` makes ids, secrets and tokens."""

    def __init__(self, rng: random.Random, kept: list[Key]) -> None:
        self._rng = rng
        self.by_id = {key.access_key_id: key for key in kept}

    def lasting(self, user: str = "") -> list[Key]:
        """Return the keys that do not end, of one user or of all."""
        keys = [key for key in self.by_id.values() if not key.token]
        return [key for key in keys if user in {"", key.user}]

    def make(self, note: str, now: float, *, user: str = "spillway") -> Key:
        """Add a lasting key; documents show ids that begin with AKLT."""
        key = Key(self._id("AKLT"), self._secret(), note, user, created_at=now)
        self.by_id[key.access_key_id] = key
        return key

    def make_temporary(self, now: float, seconds: float, like: Key | None = None) -> Key:
        """Add a key with a token that ends after ``seconds``, allowed what ``like`` is allowed."""
        self._forget(now)
        key = Key(
            self._id("AKTP"),
            self._secret(),
            "temporary",
            like.user if like else "spillway",
            permission=like.permission if like else True,
            denied_actions=list(like.denied_actions) if like else [],
            projects=like.projects if like else None,
            token=self._token(),
            expires_at=now + seconds,
            created_at=now,
        )
        self.by_id[key.access_key_id] = key
        return key

    def _forget(self, now: float) -> None:
        for key in list(self.by_id.values()):
            if key.expires_at is not None and now - key.expires_at > FORGET_SECONDS:
                del self.by_id[key.access_key_id]

    def _id(self, prefix: str) -> str:
        return prefix + "".join(self._rng.choices(_LETTERS, k=20))

    def _secret(self) -> str:
        return "".join(self._rng.choices(_LETTERS, k=44))

    def _token(self) -> str:
        head = uuid.UUID(int=self._rng.getrandbits(128), version=4)
        return f"{head.hex}{''.join(self._rng.choices(_LETTERS, k=64))}"
