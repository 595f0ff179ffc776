"""What a homeserver does only when it is told the password once more (user-interactive auth)."""

from collections.abc import Mapping, Sequence
from typing import Any

from bot.errors import HomeserverError
from bot.matrix.http import path
from bot.matrix.keyserver import KeyServer, refused


async def confirmed(
    server: KeyServer,
    target: str,
    body: Mapping[str, Any],
    user_id: str,
    password: str,
    *,
    deed: str,
) -> None:
    """POST this there, with the password where the server wants it.

    `deed` says what the server is to do. Raises HomeserverError with one sentence where it wants
    what we can't give, or refuses.
    """
    status, answer = await server.request("POST", target, body)
    if status == 401 and isinstance(answer.get("flows"), list):
        auth = _password_stage(answer, user_id, password, deed)
        status, answer = await server.request("POST", target, {**body, "auth": auth})
        if status == 401:
            raise HomeserverError(
                f"The homeserver refused homeserver.password when it was to {deed}."
            )
    if status != 200:
        raise refused(f"did not {deed}", status, answer)


async def delete_devices(
    server: KeyServer, user_id: str, devices: Sequence[str], password: str
) -> None:
    """Delete these devices of the account, and with each its access token."""
    target, body = path("delete_devices"), {"devices": list(devices)}
    await confirmed(server, target, body, user_id, password, deed="delete the account's devices")


def _password_stage(
    answer: Mapping[str, Any], user_id: str, password: str, deed: str
) -> dict[str, Any]:
    """The answer to a request for the password; HomeserverError for any other request."""
    stages = [flow.get("stages") for flow in answer["flows"] if isinstance(flow, dict)]
    if ["m.login.password"] not in stages:
        raise HomeserverError(
            "The homeserver wants a confirmation that the bot can't give before it will "
            f"{deed}{_where_to_confirm(answer)}."
        )
    if not password:
        raise HomeserverError(
            f"The homeserver wants the password before it will {deed}: set homeserver.password "
            "and start again."
        )
    return {
        "type": "m.login.password",
        "identifier": {"type": "m.id.user", "user": user_id},
        "password": password,
        "session": answer.get("session"),
    }


def _where_to_confirm(answer: Mapping[str, Any]) -> str:
    """The page of a separate auth service (MSC4312), if the server names one."""
    params = answer.get("params")
    stage = params.get("m.oauth") if isinstance(params, dict) else None
    url = stage.get("url") if isinstance(stage, dict) else None
    if not isinstance(url, str) or not url.startswith("https://") or not url.isprintable():
        return ""
    return f": approve it at {url} and start again"
