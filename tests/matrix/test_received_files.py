"""A file that somebody points to is taken only from whom, and as, it may be taken."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from aiohttp import web
from nio.crypto import encrypt_attachment

from bot.errors import AttachmentError
from bot.matrix.events import ClearEvent
from bot.matrix.http import Http
from bot.matrix.received_files import received_file
from bot.messages import Attachment, Standing
from tests.matrix.test_http import Handler, answering, serving

ANN, BOT, BOB = "@ann:x.org", "@bot:x.org", "@bob:x.org"
CIPHERTEXT, KEYS = encrypt_attachment(b"an export")
FILE = {
    "msgtype": "m.file",
    "body": "export.zip",
    "info": {"size": 9, "mimetype": "application/zip"},
    "file": {**KEYS, "url": "mxc://x.org/abc"},
}
CHANGED = {**KEYS, "url": "mxc://x.org/abc", "hashes": {"sha256": "AAAA"}}
SENT = ClearEvent(
    event_id="$file",
    room_id="!ann",
    sender=ANN,
    type="m.room.message",
    sent_at=datetime(2026, 1, 1, tzinfo=UTC),
    encrypted=True,
    content=FILE,
)


def homeserver(media: bytes, *, event_id: str = "$file", status: int = 200) -> Handler:
    """It has one event and one file."""

    async def answer(request: web.Request) -> web.StreamResponse:
        if "/media/" not in request.path:
            return await answering(200, {"event_id": event_id})(request)
        if status != 200:
            return await answering(status, {"errcode": "M_NOT_FOUND"})(request)
        return web.Response(body=media)

    return answer


async def taken(
    clear: ClearEvent | None,
    answer: Handler | None = None,
    *,
    senders: frozenset[str] = frozenset({ANN, BOT}),
    limit: int = 1000,
) -> Attachment:
    async def read(room_id: str, event: Mapping[str, Any]) -> ClearEvent | None:
        await asyncio.sleep(0)
        return clear

    async with serving(answer or homeserver(CIPHERTEXT)) as (http, _):
        return await received_file(
            _known(http), read, "!ann", "$file", senders=senders, limit=limit
        )


def _known(http: Http) -> Http:
    http.patience = 0.0
    return http


@pytest.mark.parametrize("sender", [ANN, BOT])
async def test_the_file_of_its_person_or_of_the_bot_is_decrypted(sender: str) -> None:
    file = await taken(replace(SENT, sender=sender))

    assert file == Attachment("export.zip", "application/zip", b"an export")


@pytest.mark.parametrize(
    ("clear", "why"),
    [
        (None, "is gone"),
        (replace(SENT, sender=BOB), "somebody else's"),
        (replace(SENT, type="m.reaction"), "holds no file"),
        (replace(SENT, content={**FILE, "msgtype": "m.image"}), "holds no file"),
        (replace(SENT, content={"msgtype": "m.text", "body": "a"}), "holds no file"),
        (replace(SENT, encrypted=False), "unencrypted"),
        (replace(SENT, content={"msgtype": "m.file", "url": "mxc://x/y"}), "unencrypted"),
        (replace(SENT, standing=Standing.UNSIGNED), "not verified"),
        (replace(SENT, standing=Standing.CHANGED), "not verified"),
        (replace(SENT, content={**FILE, "file": {**KEYS, "url": "https://x"}}), "no encrypted"),
        (replace(SENT, content={**FILE, "info": {"size": 2000}}), "larger than 0.001 MB"),
        (replace(SENT, content={**FILE, "file": CHANGED}), "decrypted"),
    ],
)
async def test_any_other_is_refused_in_a_sentence(clear: ClearEvent | None, why: str) -> None:
    with pytest.raises(AttachmentError, match=why):
        await taken(clear)


async def test_a_file_that_says_it_is_small_is_cut_off_while_it_comes() -> None:
    with pytest.raises(AttachmentError, match=r"larger than 0\.001 MB"):
        await taken(SENT, homeserver(bytes(5000)))


async def test_its_limit_is_said_as_people_say_it() -> None:
    big = replace(SENT, content={**FILE, "info": {"size": 51_000_001}})

    with pytest.raises(AttachmentError, match=r"^The file is larger than 51 MB\.$"):
        await taken(big, limit=51_000_000)


async def test_a_file_or_message_that_the_homeserver_no_longer_has_is_gone() -> None:
    with pytest.raises(AttachmentError, match="no longer has"):
        await taken(SENT, homeserver(b"", status=404))
    with pytest.raises(AttachmentError, match="is gone"):
        await taken(SENT, homeserver(CIPHERTEXT, event_id="$another"))
