"""A file takes its time to be uploaded, and is not sent if nobody wants it any more."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from bot.matrix.guard import Guard
from bot.matrix.http import Http
from bot.matrix.sender import Sender
from bot.matrix.sharing import RoomKeys
from bot.messages import Attachment, Outgoing
from storage import Rooms, VaultGone
from tests.matrix.test_http import answering, serving

FILE = Attachment("export.json", "application/json", b"{}")


class Sealing:
    """Stands for the rooms and their keys: all is encrypted."""

    async def ever_encrypted(self, room_id: str) -> bool:
        return True

    async def encrypt(self, room_id: str, kind: str, content: Any, *others: Any) -> dict[str, Any]:
        return {"ciphertext": "x"}


def sender(http: Http) -> Sender:
    guard = cast(Guard, SimpleNamespace(client=SimpleNamespace(user_id="@bot:b")))
    return Sender(http, guard, cast(RoomKeys, Sealing()), cast(Rooms, Sealing()))


def erased() -> None:
    raise VaultGone("It was erased while it was uploaded.")


async def test_what_was_erased_while_it_was_uploaded_is_not_sent() -> None:
    uploads, takes = answering(200, {"content_uri": "mxc://b/1"}), answering(200, {"event_id": "$"})

    async with serving(uploads, takes) as (http, seen):
        with pytest.raises(VaultGone):
            await sender(http).send(Outgoing("!r", "", "t", attachment=FILE, wanted=erased))
        before = [request.method for request in seen]
        event_id = await sender(http).send(Outgoing("!r", "", "t"))

    assert before == ["POST"]
    assert event_id == "$"
