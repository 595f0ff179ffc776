"""What the homeserver takes of files is asked, and what it does not take is said."""

from typing import Any

import pytest
from aiohttp import web

from bot.errors import FileTooLargeError, HomeserverError
from bot.matrix.media import upload_encrypted, upload_limit
from bot.messages import Attachment
from tests.matrix.test_http import Handler, answering, hanging_up, serving

FILE = Attachment("export.zip", "application/zip", bytes(123_000))
UNKNOWN = answering(404, {"errcode": "M_UNRECOGNIZED"})


async def page(request: web.Request) -> web.StreamResponse:
    return web.Response(status=413, text="<h1>413 Request Entity Too Large</h1>")


@pytest.mark.parametrize(
    ("handlers", "limit", "asked"),
    [
        ([answering(200, {"m.upload.size": 1_000_000})], 1_000_000, ["v1"]),
        ([UNKNOWN, answering(200, {"m.upload.size": 7})], 7, ["v1", "v3"]),
        ([UNKNOWN, UNKNOWN], None, ["v1", "v3"]),
        ([hanging_up, hanging_up], None, ["v1", "v3"]),
        ([answering(429, {"errcode": "M_LIMIT_EXCEEDED"})], None, ["v1", "v3"]),
        ([answering(200, {})], None, ["v1"]),
    ],
)
async def test_how_large_a_file_may_be_is_asked_and_may_stay_unknown(
    handlers: list[Handler], limit: int | None, asked: list[str]
) -> None:
    async with serving(*handlers) as (http, seen):
        assert await upload_limit(http) == limit

    paths = {"v1": "/_matrix/client/v1/media/config", "v3": "/_matrix/media/v3/config"}
    once_each = [*dict.fromkeys(one.path for one in seen)]  # aiohttp itself repeats a broken one
    assert once_each == [paths[version] for version in asked]


@pytest.mark.parametrize("size", [0, -1, "50", None, 1.5, True])
async def test_what_is_no_size_is_no_limit(size: Any) -> None:
    async with serving(answering(200, {"m.upload.size": size})) as (http, _):
        assert await upload_limit(http) is None


@pytest.mark.parametrize(
    "refusing",
    [
        page,
        answering(413, {"errcode": "M_TOO_LARGE", "error": "word of the homeserver"}),
        answering(400, {"errcode": "M_TOO_LARGE"}),
    ],
)
async def test_a_file_that_is_not_taken_says_what_to_do(refusing: Handler) -> None:
    async with serving(refusing) as (http, seen):
        with pytest.raises(FileTooLargeError) as raised:
            await upload_encrypted(http, FILE)

    assert len(seen) == 1
    assert "The file has 0.123 MB" in str(raised.value)
    assert "Ask whoever runs the homeserver to allow larger uploads" in str(raised.value)
    assert "word of" not in str(raised.value)


async def test_any_other_refusal_is_not_called_one_of_its_size() -> None:
    async with serving(answering(403, {"errcode": "M_FORBIDDEN"})) as (http, _):
        with pytest.raises(HomeserverError, match="upload: 403 M_FORBIDDEN") as raised:
            await upload_encrypted(http, FILE)

    assert not isinstance(raised.value, FileTooLargeError)
