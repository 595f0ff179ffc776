"""What `confidant backup` and `restore` do and say."""

import asyncio
from pathlib import Path

from bot.config import Config
from bot.explaining import explained
from storage import Restored, back_up, restore


def backed_up(config: Config, destination: Path) -> str:
    """Back the data up, and say what else has to be kept."""
    path, secret = config.storage.path, config.storage.master_key.get_secret_value()
    with explained():
        made = asyncio.run(back_up(path, secret, destination))
    where = "storage.master_key" if secret.strip() else path / "master.key"
    return (
        f"Backed up {_vaults(made.vaults)} to {destination}.\n"
        f"Without the master key nobody can read it: keep a copy of {where} somewhere else."
    )


def restored(config: Config, source: Path, *, replace: bool) -> str:
    """Put a backup in the data's place, and say what that means."""
    path, secret = config.storage.path, config.storage.master_key.get_secret_value()
    with explained():
        back = asyncio.run(restore(path, secret, source, replace=replace))
    lines = [
        f"Restored {_vaults(back.vaults)} as of {back.made_at:%Y-%m-%d %H:%M} UTC.",
        _about_the_forgotten(back),
        "The bot logs in as a new device: what it had not answered has to be asked again, and what "
        "people deleted piece by piece since then is back.",
        "Whom operators let in or shut out, and whether I am paused, is as of then.",
    ]
    if config.homeserver.access_token.get_secret_value():
        lines.append(
            "homeserver.access_token belongs to the old device: put in that of a new log-in."
        )
    return "\n".join(lines)


def _about_the_forgotten(back: Restored) -> str:
    if back.all_forgotten_known:
        return f"Forgotten since then, and so not restored: {_vaults(back.destroyed_again)}."
    return (
        "Who was forgotten since then can't be known, because the data from then on is not here: "
        "they are back until they say `!forget everything` again. Tell them."
    )


def _vaults(count: int) -> str:
    return f"{count} vault{'' if count == 1 else 's'}"
