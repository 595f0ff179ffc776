"""Who we are on the homeserver: one log-in, one device for life, kept in a file of our own."""

import json
import os
import secrets
import string
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from bot.config import Homeserver
from bot.errors import HomeserverError, StorageError
from bot.matrix import untrusted
from bot.matrix.http import Http, RequestError, TokenRevokedError, path

PATIENCE = 10.0  # seconds; somebody watches a start, and would rather know


@dataclass(frozen=True, slots=True)
class Session:
    """A device of the bot; without a token it is chosen but not logged in yet.

    It `replaces` a dead device while not everything of that one has been taken over.
    """

    user_id: str
    device_id: str
    access_token: str = field(default="", repr=False)
    replaces: str = ""


def load(file: Path) -> Session | None:
    """The kept session, or None on a first start."""
    try:
        kept = json.loads(file.read_text("utf-8"))
        return Session(**kept)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StorageError(f"{file} can't be read: {error.strerror}.") from None
    except (ValueError, TypeError):
        raise StorageError(
            f"{file} is damaged. Delete it, and the folder crypto beside it except its file "
            "identity: the bot then logs in as a new device of the same identity."
        ) from None


def successor(dead: Session) -> Session:
    """A new device in place of one that can't be used any more; not logged in yet."""
    return Session(dead.user_id, new_device_id(), replaces=dead.device_id)


def is_logged_in(file: Path) -> bool:
    """Whether a device was logged in here before, so that its keys exist."""
    known = load(file)
    return known is not None and known.access_token != ""


def save(file: Path, session: Session) -> None:
    """Replace the file as a whole; only its owner may read it."""
    partial = file.with_suffix(".partial")
    try:
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
            json.dump(asdict(session), opened)
            opened.flush()
            os.fsync(descriptor)
        partial.replace(file)
    except OSError as error:
        raise StorageError(f"{file} can't be written: {error.strerror}.") from None


async def log_in(http: Http, account: Homeserver, file: Path, *, device_name: str) -> Session:
    """The session to use, checked with the homeserver; gives its token to `http`.

    The device id is chosen and kept before the first log-in, so that a crash in between makes no
    second device: transaction ids, and with them exactly-once, hold for one device only.
    """
    known = load(file)
    if known and not known.access_token and known.user_id != account.user_id:
        known = None  # chosen for a name that never logged in, such as a mistyped one
    if known and known.user_id != account.user_id:
        raise HomeserverError(
            f"The data directory belongs to {known.user_id}, not to {account.user_id} "
            "(homeserver.user_id). Give each bot a storage.path of its own."
        )
    if token := account.access_token.get_secret_value():
        return await _by_token(http, account.user_id, token, known)
    if known and known.access_token:
        try:
            return await _by_token(http, account.user_id, known.access_token, known)
        except TokenRevokedError:
            if not account.password.get_secret_value():
                raise
    if known is None:
        known = Session(account.user_id, new_device_id())
        save(file, known)
    return await _by_password(http, account, known, device_name)


def new_device_id() -> str:
    """An id that no device has."""
    return "".join(secrets.choice(string.ascii_uppercase) for _ in range(10))


async def _by_token(http: Http, user_id: str, token: str, known: Session | None) -> Session:
    http.access_token = token
    answer = await http.call("GET", path("account", "whoami"), patience=PATIENCE)
    who, device_id = untrusted.text(answer, "user_id"), untrusted.text(answer, "device_id")
    if who != user_id:
        raise HomeserverError(
            f"The access token belongs to {untrusted.name(who)}, not to {user_id} "
            "(homeserver.user_id)."
        )
    if not device_id:
        raise HomeserverError("The access token belongs to no device, so nothing can be encrypted.")
    if known and known.device_id != device_id:
        raise HomeserverError(
            f"The access token belongs to device {untrusted.name(device_id)}, but the data "
            f"directory to {known.device_id}: use that device's token, or an empty storage.path."
        )
    return replace(known or Session(user_id, device_id), access_token=token)


async def _by_password(
    http: Http, account: Homeserver, known: Session, device_name: str
) -> Session:
    password = account.password.get_secret_value()
    if not password:
        raise HomeserverError(
            f"There is no way to log in as {account.user_id}: set homeserver.password or "
            "homeserver.access_token."
        )
    http.access_token = ""
    wanted = {
        "type": "m.login.password",
        "identifier": {"type": "m.id.user", "user": account.user_id},
        "password": password,
        "device_id": known.device_id,
        "initial_device_display_name": device_name,
    }
    try:
        answer = await http.call("POST", path("login"), wanted, patience=PATIENCE)
    except RequestError as error:
        raise _login_failure(error, account) from None
    who, token = untrusted.text(answer, "user_id"), untrusted.text(answer, "access_token")
    if who != account.user_id or untrusted.text(answer, "device_id") != known.device_id:
        raise HomeserverError(
            f"The homeserver logged us in as {untrusted.name(who)}, not as {account.user_id} with "
            "our device."
        )
    http.access_token = token
    return replace(known, access_token=token)


def _login_failure(error: RequestError, account: Homeserver) -> HomeserverError:
    if error.errcode == "M_FORBIDDEN":
        return HomeserverError(
            f"{account.url} does not accept the password for {account.user_id}: "
            "correct homeserver.user_id or homeserver.password."
        )
    if error.errcode == "M_USER_DEACTIVATED":
        return HomeserverError(f"The account {account.user_id} is deactivated.")
    if error.status in (400, 404):
        return HomeserverError(
            f"{account.url} offers no log-in with a password: set homeserver.access_token, or "
            "check that homeserver.url is the address of a Matrix homeserver."
        )
    return error
