"""Our signature on somebody's identity: all clients of our account take it for theirs."""

from collections.abc import Mapping
from typing import Any

from bot.matrix.cross_signing import UPLOAD_SIGNATURES
from bot.matrix.identity import Identity
from bot.matrix.keyserver import KeyServer, refused


async def vouch(
    server: KeyServer, ours: Identity, user_id: str, shown: Mapping[str, Any], *, master_key: str
) -> None:
    """Sign a person's master key as the homeserver has shown it; HomeserverError if refused."""
    bare = {key: shown[key] for key in shown if key not in ("signatures", "unsigned")}
    signed = ours.user_signing.sign(bare, user_id=ours.user_id)
    body = {user_id: {master_key: signed}}
    status, result = await server.request("POST", UPLOAD_SIGNATURES, body)
    if status != 200 or result.get("failures"):
        raise refused("did not take the signature of an identity", status, result)
