"""What the first message in a large room costs, and how long it keeps everybody else waiting.

    ./confidant bench large_room [--people N] [--json]

A bot that knows nobody shares a room's first key with N people of one cross-signed device each:
their devices are judged, a channel to each is opened, and the key goes out. The homeserver is in
memory and its answers are made beforehand, so that all the time is the bot's. The baseline is the
same with matrix-nio's own functions and store, which judges nothing: what a bot that leaves it to
nio would take in the same run. A stall is the longest time between two turns of the event loop;
--json adds one object as the last line.
"""

import argparse
import asyncio
import json
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nio
from nio.responses import KeysClaimResponse, KeysQueryResponse

from bot.matrix.crypto_store import close_crypto_store, open_crypto_store
from bot.matrix.guard import Guard
from bot.matrix.http import Http
from bot.matrix.session import Session
from bot.matrix.sharing import RoomKeys
from bot.matrix.trust import Trust
from storage import MasterKey, open_storage
from tests.matrix.people import Json, Somebody, together

BOT, ROOM = "@bot:b", "!room"
TEXT = {"msgtype": "m.text", "body": "hello"}


@dataclass(slots=True)
class Taken:
    """What something took, in seconds."""

    seconds: float = 0.0
    stall: float = 0.0


class Room(Http):
    """A room and the keys of the people in it, as the bytes that a homeserver would send."""

    def __init__(self, people: int) -> None:
        super().__init__("http://unused")
        crowd = [Somebody(f"@person{number}:b") for number in range(people)]
        joined = {"membership": "join"}
        users = [BOT, *(one.user_id for one in crowd)]
        members = [{"state_key": user_id, "content": joined} for user_id in users]
        self.query = json.dumps(together(*crowd)).encode()
        self.claim = json.dumps({"one_time_keys": {one.user_id: _claimed(one) for one in crowd}})
        self.members = json.dumps({"chunk": members})
        self.users = users
        self.delivered = 0

    async def request(
        self, method: str, path: str, body: Mapping[str, Any] | None = None
    ) -> tuple[int, Json]:
        """Answer who has which devices."""
        return 200, json.loads(self.query)

    async def call(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, **options: Any
    ) -> Json:
        """Answer all else; what goes to devices is written as it would be for the network."""
        await asyncio.sleep(0)
        if "sendToDevice" in path:
            messages = json.loads(json.dumps(body))["messages"]
            self.delivered += sum(len(devices) for devices in messages.values())
            return {}
        answer: Json = json.loads(self.claim if "claim" in path else self.members)
        return answer


def _claimed(somebody: Somebody) -> Json:
    """A one-time key of this person's device, as it is claimed."""
    device = somebody.device
    device.account.generate_one_time_keys(1)
    ((key_id, key),) = device.account.one_time_keys.items()
    device.account.mark_keys_as_published()
    signed = {"key": key.to_base64()}
    signatures = {somebody.user_id: {device.key_id: device.sign(signed)}}
    return {"PHONE": {f"signed_curve25519:{key_id}": {**signed, "signatures": signatures}}}


@asynccontextmanager
async def watched() -> AsyncIterator[Taken]:
    """Time the block, and how long it keeps the event loop to itself."""
    taken, last = Taken(), time.perf_counter()

    async def compete() -> None:
        nonlocal last
        while True:
            now = time.perf_counter()
            taken.stall, last = max(taken.stall, now - last), now
            await asyncio.sleep(0)

    competing, begun = asyncio.create_task(compete()), last
    try:
        yield taken
        taken.seconds = time.perf_counter() - begun
        await asyncio.sleep(0)  # the last stall is seen by the turn after it
    finally:
        competing.cancel()


async def ours(room: Room, folder: Path) -> Taken:
    """The first message as the bot sends it."""
    key = MasterKey(bytes(32))
    client = open_crypto_store(Session(BOT, "BOTDEVICE"), folder, key, must_exist=False)
    async with open_storage(folder / "data", key) as storage:
        trust = Trust(client, room, storage.rooms, share_keys_with="cross-signed", own={})
        guard = Guard(client)
        joined = {"type": "m.room.member", "content": {"membership": "join"}}
        guard.follow(ROOM, [{**joined, "state_key": user_id} for user_id in room.users])
        keys = RoomKeys(guard, room, trust)
        async with watched() as taken:
            await keys.encrypt(ROOM, "m.room.message", TEXT)
    close_crypto_store(client)
    assert room.delivered == len(room.users) - 1, "everybody has the key"
    return taken


async def baseline(room: Room, folder: Path) -> Taken:
    """The same steps by nio alone."""
    client = nio.AsyncClient("", BOT, "BOTDEVICE", store_path=str(folder))
    client.user_id = BOT
    client.load_store()

    async def share() -> None:
        devices = json.loads(room.query)["device_keys"]
        client.olm.handle_response(KeysQueryResponse(devices, {}))
        claimed = json.loads(room.claim)["one_time_keys"]
        client.olm.handle_response(KeysClaimResponse(claimed, {}))
        batches = client.olm.share_group_session_parallel(
            ROOM, room.users, ignore_unverified_devices=True
        )
        for given, messages in batches:
            json.dumps(messages)
            client.olm.outbound_group_sessions[ROOM].users_shared_with.update(given)
            await asyncio.sleep(0)
        client.olm.outbound_group_sessions[ROOM].shared = True
        client.olm.group_encrypt(ROOM, {"type": "m.room.message", "content": TEXT})

    taken = await _timed(share())
    assert len(client.olm.outbound_group_sessions[ROOM].users_shared_with) == len(room.users) - 1
    client.store.database.close()
    return taken


async def _timed(work: Awaitable[None]) -> Taken:
    async with watched() as taken:
        await work
    return taken


def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="confidant-bench-")


async def run(people: int) -> dict[str, float]:
    """Measure in folders that are gone afterwards."""
    with _folder() as folder:
        nios = await baseline(Room(people), Path(folder))
    with _folder() as folder:
        mine = await ours(Room(people), Path(folder))
    return {
        "people": people,
        "longest_stall_ms": round(mine.stall * 1000, 1),
        "share_ms": round(mine.seconds * 1000, 1),
        "share_ratio": round(mine.seconds / nios.seconds, 3),
        "nio_longest_stall_ms": round(nios.stall * 1000, 1),
        "nio_share_ms": round(nios.seconds * 1000, 1),
        "stall_ratio": round(mine.stall / nios.stall, 3),
    }


def table(figures: Mapping[str, float]) -> str:
    """The figures, for people."""
    rows = (
        ("first key for everybody", "share_ms", "nio_share_ms", "share_ratio"),
        (
            "longest stall of the event loop",
            "longest_stall_ms",
            "nio_longest_stall_ms",
            "stall_ratio",
        ),
    )
    head = f"{figures['people']} people{'':<24}{'bot':>12}{'nio alone':>14}{'ratio':>9}"
    lines = [
        f"{title:<34}{figures[own]:>9.0f} ms{figures[nios]:>11.0f} ms{figures[ratio]:>8.2f} ×"
        for title, own, nios, ratio in rows
    ]
    return "\n".join([head, *lines])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="what the first message in a large room costs")
    parser.add_argument("--people", type=int, default=200, metavar="N")
    parser.add_argument("--json", action="store_true", help="one object as the last line")
    options = parser.parse_args()
    figures = asyncio.run(run(options.people))
    print(table(figures))
    if options.json:
        print(json.dumps(figures))
