"""What `confidant doctor` looks over: the configuration against the world that it stands in."""

import json
import os
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from bot.config import Config, stays_near
from bot.errors import BotError

Probe = Callable[[], Awaitable[str]]
"""Asks a server how it is: returns the sentence that it is well, or raises a BotError."""


class Level(StrEnum):
    """How much a finding matters."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at; `remedy` says what to do where something is to be done."""

    level: Level
    what: str
    remedy: str = ""

    @property
    def failed(self) -> bool:
        """Whether the bot can't run like this."""
        return self.level is Level.FAIL

    def line(self) -> str:
        """The finding as the command line prints it."""
        return f"{self.level:<5} {self.what} {self.remedy}".rstrip()


async def examine(
    config: Config,
    *,
    homeserver: Probe,
    gateway: Probe,
    evidence: Probe | None = None,
    embeddings: Probe | None = None,
    file: Path | None = None,
) -> list[Finding]:
    """Every finding, worst last; `file` is where the configuration was read from."""
    findings = [
        Finding(Level.OK, "The configuration can be read."),
        *_configuration_file(config, file),
        *_data(config.storage.path),
        *_master_key(config),
        *_login(config),
        *(Finding(Level.WARN, what, remedy) for so, what, remedy in _choices(config) if so),
        await _asked(homeserver, "homeserver"),
        await _asked(gateway, "gateway"),
        *([await _asked(evidence, "gateway")] if evidence else []),
        *([await _asked(embeddings, "gateway.embedding_model")] if embeddings else []),
    ]
    return sorted(findings, key=lambda finding: list(Level).index(finding.level))


async def _asked(probe: Probe, key: str) -> Finding:
    try:
        return Finding(Level.OK, await probe())
    except BotError as error:
        return Finding(Level.FAIL, str(error), f"See [{key}].")


def _configuration_file(config: Config, file: Path | None) -> Iterator[Finding]:
    account, gateway, storage = config.homeserver, config.gateway, config.storage
    in_place = (
        (account.password, account.password_file),
        (account.access_token, account.access_token_file),
        (gateway.api_key, gateway.api_key_file),
        (storage.master_key, storage.master_key_file),
    )
    if file and _others_may_read(file) and any(s.get_secret_value() and not f for s, f in in_place):
        yield Finding(
            Level.WARN, f"{file} holds secrets that others may read.", f"chmod 600 {file}"
        )
    for named in (named for _, named in in_place if named):
        if _others_may_read(named.path):
            yield Finding(
                Level.WARN, f"{named.path} can be read by others.", f"chmod 600 {named.path}"
            )


def _data(path: Path) -> Iterator[Finding]:
    if not path.exists():
        made_in = next(one for one in path.parents if one.exists())
        if os.access(made_in, os.W_OK | os.X_OK):
            yield Finding(Level.OK, f"{path} will be made on the first start.")
        else:
            yield Finding(Level.FAIL, f"{path} can't be made.", f"Make {made_in} writable.")
    elif not path.is_dir() or not os.access(path, os.R_OK | os.W_OK | os.X_OK):
        yield Finding(Level.FAIL, f"{path} is no folder that can be written.", "See storage.path.")
    elif any(map(_others_may_read, (path, *path.rglob("*")))):
        yield Finding(Level.WARN, f"Others may read in {path}.", f"chmod -R u=rwX,go= {path}")
    else:
        yield Finding(Level.OK, f"{path} is readable by its owner alone.")


def _master_key(config: Config) -> Iterator[Finding]:
    data, named = config.storage.path, config.storage.master_key_file
    beside = "The master key is kept beside the data: who takes one takes both."
    if not config.storage.master_key.get_secret_value():
        own = data / "master.key"
        remedy = (
            "Make one elsewhere (umask 077; openssl rand -hex 32 > FILE) and name FILE in "
            "storage.master_key_file before the first start."
        )
        if own.exists():
            remedy = (
                f"Put it elsewhere (umask 077; od -An -v -tx1 {own} | tr -d ' \\n' > FILE), name "
                f"FILE in storage.master_key_file, then delete {own}."
            )
        yield Finding(Level.WARN, beside, remedy)
    elif named and named.path.resolve().is_relative_to(data.resolve()):
        yield Finding(Level.WARN, beside, f"Move {named.path} out of {data}.")
    else:
        yield Finding(Level.OK, "The master key is kept apart from the data.")


def _login(config: Config) -> Iterator[Finding]:
    account = config.homeserver
    secrets = account.password.get_secret_value() or account.access_token.get_secret_value()
    if not secrets and not _logged_in(config.storage.path / "session"):
        yield Finding(
            Level.FAIL,
            f"There is no way yet to log in as {account.user_id}.",
            "Set homeserver.password or homeserver.password_file.",
        )


def _logged_in(session: Path) -> bool:
    try:
        return bool(json.loads(session.read_text(encoding="utf-8"))["access_token"])
    except (OSError, ValueError, LookupError, TypeError):
        return False


def _choices(config: Config) -> tuple[tuple[bool, str, str], ...]:
    """What an operator may choose and should know: whether it is so, what it means, the remedy."""
    privacy, access = config.privacy, config.access
    called = (
        ("homeserver.url", config.homeserver.url),
        ("gateway.base_url", config.gateway.base_url),
    )
    read_along = [key for key, one in called if one.startswith("http:") and not stays_near(one)]
    return (
        (
            bool(read_along),
            f"What is sent to {' and '.join(read_along)} can be read along the way.",
            "Use https:// unless that host is right beside this one.",
        ),
        (
            not privacy.encrypted_rooms_only,
            "The bot also answers in rooms that are not encrypted.",
            "Set privacy.encrypted_rooms_only = true.",
        ),
        (
            privacy.share_keys_with == "all",
            "Devices that nobody signed get room keys too.",
            'Set privacy.share_keys_with = "cross-signed".',
        ),
        (
            privacy.gateway_training != "never",
            "The gateway is not declared never to train, so memory stays out of the prompt.",
            'If it is so, set privacy.gateway_training = "never".',
        ),
        (not privacy.operator, "!privacy can't say who runs the bot.", "Set privacy.operator."),
        (
            not privacy.jurisdiction,
            "!privacy can't say whose law applies.",
            "Set privacy.jurisdiction.",
        ),
        (
            not privacy.backup_retention,
            "Nobody is told how long backups of what they had forgotten are kept.",
            "Set privacy.backup_retention.",
        ),
        (not access.users, "Nobody but operators may talk with the bot.", "Set access.users."),
        (
            "@*:*" in access.users,
            "Anybody on any homeserver may talk with the bot.",
            "Name your own server in access.users.",
        ),
        (not access.operators, "Nobody reads the audit room.", "Set access.operators."),
        (
            bool(_without_effect(config)),
            f"This version does not act yet on {', '.join(_without_effect(config))}.",
            "Leave it out, and promise nobody that it works.",
        ),
    )


def _without_effect(config: Config) -> list[str]:
    """Keys of a later version that somebody has set; an honest bot says so."""
    ahead = (
        ("gateway.models", bool(config.gateway.models)),
        ("service.metrics", bool(config.service.metrics)),
    )
    return [key for key, is_set in ahead if is_set]


def _others_may_read(path: Path) -> bool:
    try:
        return path.stat().st_mode & 0o077 != 0
    except FileNotFoundError:  # a running bot closes vaults, and their side files go with them
        return False
