"""Where Spillway is and who asks: options, then the environment, then a file of this user.

    SPILLWAY_URL        address of the console, for example https://spillway.example.com
    SPILLWAY_TOKEN      an API token (Settings, API tokens), or SPILLWAY_TOKEN_FILE with its path
    SPILLWAY_CLUSTER    slug of the cluster that is meant when a command names none
    SPILLWAY_CA_FILE    certificates to trust instead of the system's

The file is `$XDG_CONFIG_HOME/spillway/config.toml` (`~/.config/...`), mode 0600. Its token is sent
to its own address alone: another SPILLWAY_URL does not get it.
"""

from __future__ import annotations

import ipaddress
import json
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import urlsplit

from console.cli.errors import Usage

_LOGIN = "Run `spillway login`, or set SPILLWAY_URL and SPILLWAY_TOKEN."


@dataclass(frozen=True, slots=True)
class Config:
    """`token` never shows in a representation."""

    url: str = ""
    token: str = field(default="", repr=False)
    cluster: str = ""
    ca_file: str = ""
    language: str = "en"

    def complete(self) -> Config:
        """Itself. Raises `Usage` when nobody said where Spillway is or who asks."""
        if not self.url:
            raise Usage("It is not known where Spillway is.", fix=_LOGIN, code="no_url")
        if not self.token:
            raise Usage(f"There is no token for {self.url}.", fix=_LOGIN, code="no_token")
        return self


def address(text: str) -> str:
    """The address without a slash at its end. Raises `Usage` for what tokens are not sent to."""
    parts = urlsplit(text.strip().rstrip("/"))
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        fix = "Give it with its scheme: https://spillway.example.com"
        raise Usage(f"{text!r} is no address.", fix=fix, code="bad_url")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise Usage("The address has no user, query or fragment.", code="bad_url")
    if parts.scheme == "http" and not _local(parts.hostname):
        fix = "Use https://; http:// is taken for this machine alone."
        raise Usage(f"A token is not sent in the clear to {parts.hostname}.", fix, "clear_text")
    return parts.geturl()


def _local(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def path(env: Mapping[str, str]) -> Path:
    base = env.get("XDG_CONFIG_HOME") or Path(env.get("HOME") or Path.home()) / ".config"
    return Path(base) / "spillway" / "config.toml"


def stored(file: Path) -> Config:
    """What the file says; empty when there is none. Raises `Usage` for one that is broken."""
    try:
        text = file.read_text(encoding="utf-8")
        found = tomllib.loads(text)
    except FileNotFoundError:
        return Config()
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        fix = f"Correct {file} or remove it and run `spillway login`."
        raise Usage(f"{file} cannot be read: {error}", fix=fix, code="bad_config") from error
    names = ("url", "token", "cluster", "ca_file")
    return Config(**{name: str(found[name]) for name in names if name in found})


def store(file: Path, config: Config) -> None:
    """Written aside with mode 0600 and put in place at once."""
    values = {"url": config.url, "token": config.token}
    values |= {"cluster": config.cluster, "ca_file": config.ca_file}
    # A basic string of TOML is written as one of JSON is.
    lines = [f"{name} = {json.dumps(value)}\n" for name, value in values.items() if value]
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    aside = file.with_suffix(".new")
    aside.unlink(missing_ok=True)
    handle = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as opened:
        opened.writelines(lines)
    aside.replace(file)


def load(env: Mapping[str, str]) -> Config:
    """From the environment over the file. Raises `Usage`."""
    kept = stored(path(env))
    url = address(env["SPILLWAY_URL"]) if env.get("SPILLWAY_URL") else kept.url
    token = _token(env) or (kept.token if url == kept.url else "")
    over = {
        "cluster": env.get("SPILLWAY_CLUSTER") or kept.cluster,
        "ca_file": env.get("SPILLWAY_CA_FILE") or kept.ca_file,
        "language": language(env),
    }
    return replace(kept, url=url, token=token, **over)


def language(env: Mapping[str, str]) -> str:
    """In which language Spillway answers a user who has not chosen one there."""
    name = env.get("LC_ALL") or env.get("LC_MESSAGES") or env.get("LANG") or ""
    return "zh-hans" if name.lower().startswith("zh") else "en"


def _token(env: Mapping[str, str]) -> str:
    if env.get("SPILLWAY_TOKEN"):
        return env["SPILLWAY_TOKEN"].strip()
    file = env.get("SPILLWAY_TOKEN_FILE")
    if not file:
        return ""
    try:
        return Path(file).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise Usage(f"SPILLWAY_TOKEN_FILE: {error}", code="bad_token_file") from error
