"""`spillway credential`: secrets are typed unseen or read from files, never taken as arguments."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from console.cli import find
from console.cli.api import Json
from console.cli.errors import NotFound, Usage
from console.cli.output import Column, as_json, as_yaml, facts, stamp, table
from console.cli.shell import Shell, ask, common, complete, confirmed, pass_shell

COLUMNS: tuple[Column, ...] = (
    ("ID", "id"),
    ("NAME", "name"),
    ("PROVIDER", "provider"),
    ("REGION", "region"),
    ("KEY", "access_key_id"),
    ("VERIFIED", lambda row: stamp(row["verified_at"])),
    ("TROUBLE", "trouble"),
    ("USED BY", "used_by"),
)
CAPABILITIES: tuple[Column, ...] = (
    ("ACTION", "action"),
    ("FOR", "use"),
    ("ALLOWED", "ok"),
    ("CODE", "code"),
    ("GRANT", "grant"),
)
_SECRETS = ("secret", "long_secret")
USES = ("pods", "bills", "addons", "users")
_name = click.argument("name", shell_complete=complete("credentials/", "name"))
_fields = click.option(
    "--field", "fields", multiple=True, metavar="NAME=VALUE", help="What is no secret."
)
_field_files = click.option(
    "--field-file", "files", multiple=True, metavar="NAME=FILE", help="`-`: stdin."
)


@click.group()
def credential() -> None:
    """Keys of clouds."""


@credential.command("list")
@common
@pass_shell
def list_(shell: Shell) -> None:
    """List cloud keys; key ids are masked, secrets never shown."""
    none = "There are no credentials: spillway credential add --help"
    shell.rows(list(shell.api.pages("credentials/")), COLUMNS, none=none)


@credential.command()
@_name
@common
@pass_shell
def verify(shell: Shell, name: str) -> None:
    """Try a key again with read-only calls."""
    found = shell.api.post(f"credentials/{find.credential(shell, name)['id']}/verify/")
    shell.result(found, lambda: _text(found))


@credential.command()
@click.argument("name")
@click.option("--provider", required=True, shell_complete=complete("providers/", "name"))
@click.option("--region", required=True)
@click.option("--endpoint", default="")
@click.option("--team", default="")
@_fields
@_field_files
@common
@pass_shell
def add(
    shell: Shell,
    *,
    name: str,
    provider: str,
    region: str,
    endpoint: str,
    team: str,
    fields: tuple[str, ...],
    files: tuple[str, ...],
) -> None:
    """Add a cloud key: tried with read-only calls first, stored sealed.

    What the cloud's key consists of is asked for, secrets unseen; or given by --field and
    --field-file.
    """
    given = _given(_asked(shell, provider), fields, files)
    body = {"name": name, "provider": provider, "region": region, "fields": given}
    made = shell.api.post("credentials/", {**body, "endpoint": endpoint, "team": team})
    shell.result(made, lambda: f"Credential {made['name']} added.\n\n{_text(made)}")


@credential.command()
@_name
@_fields
@_field_files
@common
@pass_shell
def rotate(shell: Shell, name: str, fields: tuple[str, ...], files: tuple[str, ...]) -> None:
    """Replace a key: the new one is tried first and must do what the old one could."""
    found = find.credential(shell, name)
    given = _given(_asked(shell, found["provider"]), fields, files)
    made = shell.api.post(f"credentials/{found['id']}/rotate/", {"fields": given})
    shell.result(made, lambda: f"Credential {made['name']} rotated.\n\n{_text(made)}")


@credential.command()
@_name
@confirmed
@common
@pass_shell
def remove(shell: Shell, name: str, yes: bool) -> None:
    """Forget a key that nothing uses."""
    found = find.credential(shell, name)
    ask(yes, f"Forget credential {name}?")
    shell.api.delete(f"credentials/{found['id']}/")
    shell.result({"name": name, "removed": True}, f"Credential {name} removed.")


@credential.command()
@click.argument("provider", shell_complete=complete("providers/", "name"))
@click.option("--use", type=click.Choice(USES), default=USES[0], show_default=True)
@common
@pass_shell
def policy(shell: Shell, provider: str, use: str) -> None:
    """The least policy that a key needs for a use, to paste into the cloud."""
    found = shell.api.get(f"credentials/policy/{provider}/", {"use": use})
    shell.result(found, lambda: as_yaml(found) if "kind" in found else as_json(found))


def _given(
    asked: dict[str, Json], fields: tuple[str, ...], files: tuple[str, ...]
) -> dict[str, str]:
    """The key's fields; what is needed and missing is asked for."""
    given = {key: _file(path) for key, path in _pairs(files)}
    for key, value in _pairs(fields):
        if key in asked and asked[key]["kind"] in _SECRETS:
            fix = f"Use --field-file {key}=FILE, or leave it out to be asked."
            raise Usage(f"{key} is a secret: others see arguments.", fix=fix, code="secret")
        given[key] = value
    return given | {key: _prompt(one) for key, one in asked.items() if _missing(one, given)}


def _asked(shell: Shell, provider: str) -> dict[str, Json]:
    known = list(shell.api.pages("providers/"))
    chosen = next((row for row in known if row["name"] == provider), None)
    if chosen is None:
        names = ", ".join(row["name"] for row in known)
        raise NotFound(f"There is no provider {provider}.", fix=f"There are: {names}.")
    return {field["name"]: field for field in chosen["credential"]}


def _missing(field: Json, given: dict[str, str]) -> bool:
    return bool(field["required"]) and field["name"] not in given


def _prompt(field: Json) -> str:
    if not sys.stdin.isatty():
        raise Usage(f"{field['name']} is missing: {field['label']}.", code="missing_field")
    hidden = field["kind"] in _SECRETS
    return str(click.prompt(field["label"], hide_input=hidden, err=True))


def _pairs(texts: tuple[str, ...]) -> list[tuple[str, str]]:
    found = [text.partition("=") for text in texts]
    if any(not sign for _name, sign, _value in found):
        raise Usage("A field is given as NAME=VALUE.")
    return [(key, value) for key, _sign, value in found]


def _file(path: str) -> str:
    try:
        if path == "-":
            return sys.stdin.read().rstrip("\n")
        return Path(path).read_text(encoding="utf-8").rstrip("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise Usage(f"{path} cannot be read: {error}") from error


def _text(found: Json) -> str:
    told = [
        ("Name", found["name"]),
        ("Cloud", f"{found['provider_title']}, {found['region']}"),
        ("Identity", found["identity"] or found["account_id"]),
        ("Verified", stamp(found["verified_at"])),
        ("Trouble", f"{found['trouble']} {found['trouble_message']}".strip()),
    ]
    capable = found["capabilities"]
    return facts(told) + (f"\n\n{table(capable, CAPABILITIES)}" if capable else "")
