"""Twenty rooms progress together, each in order, on real storage and the whole spine."""

import asyncio
from collections import defaultdict
from pathlib import Path

from bot.dispatcher import Dispatcher
from bot.messages import Room, RoomMessage
from bot.room_events import Batch
from tests.spine import BOT, Clock, configured, spine

ROOMS, MESSAGES = 20, 50


def asked(number: int, room: int, clock: Clock) -> RoomMessage:
    """What somebody says in a room of their own."""
    said, person = f"question {number}", f"@person{room}:x.org"
    return RoomMessage(f"${room}-{number}", f"!{room}", person, said, clock(), encrypted=True)


async def test_twenty_rooms_take_the_time_of_one_and_each_is_answered_in_order(
    tmp_path: Path,
) -> None:
    together = asyncio.Barrier(ROOMS)  # the model answers nobody before all rooms wait for it

    async def meet() -> None:
        await together.wait()

    async with (
        spine(tmp_path, configured(limits={"messages_per_minute": "1000"})) as bot,
        asyncio.timeout(120),
        asyncio.TaskGroup() as tasks,
    ):
        bot.model.meanwhile = meet
        for room in range(ROOMS):
            members = frozenset({BOT, f"@person{room}:x.org"})
            bot.homeserver.rooms[f"!{room}"] = Room(f"!{room}", members, encrypted=True)
        dispatcher = Dispatcher(bot.handler.handle, bot.storage.inbox, tasks)
        questions = [
            asked(number, room, bot.clock) for number in range(MESSAGES) for room in range(ROOMS)
        ]
        bot.homeserver.kept = {one.event_id: one for one in questions}  # not all wait with a text
        await dispatcher.receive(Batch(tuple(questions), "s1"))
        # the group ends when every worker has: each lives as long as its room has something to do

    answered = defaultdict(list)
    for one in bot.homeserver.sent:
        if one.generated:
            answered[one.room_id].append(one.question)
    assert len(answered) == ROOMS
    assert set(map(tuple, answered.values())) == {
        tuple(f"question {number}" for number in range(MESSAGES))
    }
