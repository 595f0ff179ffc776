"""What a person chose about their own memory: settings of their vault over the operator's."""

from datetime import datetime, timedelta
from enum import StrEnum

from bot.config import Config
from bot.durations import brief, parse_duration
from storage import Vault

OFF = "off"
_PRIVATE = "private "  # and a room id


class Mode(StrEnum):
    """When something is remembered about a person."""

    AUTO = "auto"  # what they say of themselves, shown with how to undo it
    ASK = "ask"  # the same, once they approve it
    MANUAL = "manual"  # only what they add, or ask to be remembered
    OFF = "off"  # nothing, and nothing from before is used


async def mode(vault: Vault, config: Config) -> Mode:
    """The person's mode, the operator's where they chose none."""
    return Mode(await vault.setting("memory.mode") or config.memory.mode)


async def choose_mode(vault: Vault, chosen: Mode) -> None:
    """Keep the mode that a person chose."""
    await vault.set_setting("memory.mode", chosen)


async def retention(vault: Vault, config: Config) -> timedelta | None:
    """How long messages are kept: the person's choice, at most what the operator allows."""
    chosen = await vault.setting("retention") or OFF
    spans = [config.memory.retention, None if chosen == OFF else parse_duration(chosen)]
    return min((one for one in spans if one is not None), default=None)


async def choose_retention(vault: Vault, chosen: timedelta | None) -> None:
    """Keep how long messages are to be kept; None is until they are deleted."""
    await vault.set_setting("retention", OFF if chosen is None else brief(chosen))


async def is_private(vault: Vault, room_id: str) -> bool:
    """Whether nothing is kept or learned of what the person says in a room."""
    return await vault.setting(f"{_PRIVATE}{room_id}") == "on"


async def choose_private(vault: Vault, room_id: str, *, private: bool) -> None:
    """Begin or end that."""
    await vault.set_setting(f"{_PRIVATE}{room_id}", "on" if private else OFF)


async def wants_digest(vault: Vault) -> bool:
    """Whether the person wants to be told every week what was learned about them."""
    return await vault.setting("digest") == "on"


async def choose_digest(vault: Vault, now: datetime, *, on: bool) -> None:
    """Begin or end that; the first one comes after a week."""
    if on and not await wants_digest(vault):
        await digest_sent(vault, now)
    await vault.set_setting("digest", "on" if on else OFF)


async def digest_since(vault: Vault) -> datetime | None:
    """Until when the last one reached, and the next begins."""
    sent = await vault.setting("digest sent")
    return None if sent is None else datetime.fromisoformat(sent)


async def digest_sent(vault: Vault, until: datetime) -> None:
    """Keep until when the person was told everything."""
    await vault.set_setting("digest sent", until.isoformat())


def is_of_private_room(name: str) -> bool:
    """Whether a setting says of a room that nothing is kept of what is said there."""
    return name.startswith(_PRIVATE)


def is_choice(name: str, value: str) -> bool:
    """Whether a setting is one that a person makes, with a value that can be made: for an import.

    All others say how far something is that the bot does, and have no meaning elsewhere.
    """
    if name == "digest sent":
        return _is_moment(value)
    if name == "retention" and value != OFF:
        return _is_duration(value)
    if name == "digest" or is_of_private_room(name):
        return value in ("on", OFF)
    return (name, value) == ("retention", OFF) or (name == "memory.mode" and value in set(Mode))


def _is_moment(text: str) -> bool:
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False


def _is_duration(text: str) -> bool:
    try:
        return bool(parse_duration(text))
    except ValueError:
        return False
