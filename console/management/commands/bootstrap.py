"""`manage.py bootstrap`: the first team, its owner and an API token."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

from django.contrib.auth.models import Group, User
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction
from django.utils import timezone

from console import tokens
from console.models import ApiToken, Membership, Profile


class Command(BaseCommand):
    help = "Create the first team and its owner; repeat it safely. Secrets go to files only."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--username", default="admin")
        parser.add_argument("--team", default="platform")
        parser.add_argument("--password-file", required=True, type=Path)
        parser.add_argument("--token-file", type=Path, help="write an API token here")

    @transaction.atomic
    def handle(self, *args: Any, **options: Any) -> None:
        password = options["password_file"].read_text().strip()
        user, created = User.objects.get_or_create(username=options["username"])
        if created:
            try:
                validate_password(password, user)
            except ValidationError as error:
                raise CommandError(" ".join(error.messages)) from error
            user.set_password(password)
            user.is_staff = user.is_superuser = True
            user.save()
        team, _new = Group.objects.get_or_create(name=options["team"])
        Membership.objects.update_or_create(
            user=user, team=team, defaults={"role": Membership.Role.OWNER}
        )
        Profile.objects.get_or_create(user=user)
        if path := options["token_file"]:
            self._token(user, path)

    def _token(self, user: User, path: Path) -> None:
        if path.exists():
            return
        expires = timezone.now() + timedelta(days=365)
        _row, text = tokens.create(
            user, name="bootstrap", scope=ApiToken.Scope.WRITE, expires_at=expires
        )
        path.touch(mode=0o600)
        path.write_text(text)
