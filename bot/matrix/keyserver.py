"""Asking the homeserver about keys: the narrow door that identity and trust go through."""

from collections.abc import Collection, Mapping
from typing import Any, Protocol

from bot.errors import HomeserverError
from bot.matrix.untrusted import errcode

QUERY = "/_matrix/client/v3/keys/query"
QUERY_TIMEOUT_MS = 10_000  # how long our server may wait for the servers of other people


class KeyServer(Protocol):
    """One authorised request; HomeserverError where the homeserver can't be reached."""

    async def request(
        self, method: str, path: str, body: Mapping[str, Any] | None = None
    ) -> tuple[int, dict[str, Any]]:
        """The status, whatever it is, and the JSON object of the answer, empty if it was none."""
        ...


async def query_keys(server: KeyServer, user_ids: Collection[str]) -> dict[str, Any]:
    """The devices and identities of these people, as the server tells them: nothing is checked."""
    question = {"device_keys": {user_id: [] for user_id in user_ids}, "timeout": QUERY_TIMEOUT_MS}
    status, answer = await server.request("POST", QUERY, question)
    if status != 200:
        raise refused("did not tell whose devices are whose", status, answer)
    return answer


def refused(what: str, status: int, answer: Mapping[str, Any]) -> HomeserverError:
    """The error for an answer that is not 200, with what an operator needs to look it up."""
    code = errcode(answer)
    reason = f", {code}" if code else ""
    return HomeserverError(f"The homeserver {what} (status {status}{reason}).")
