"""Over a thousand requests of every kind, as they come in at a gateway: each is private enough.

What is demanded of each preset is written down here once more, and not taken from the code.
"""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from bot.messages import Room, Standing
from tests.asking import gateway
from tests.responder import (
    Captured,
    Exchange,
    Responder,
    Step,
    answer,
    call,
    cut,
    error,
    events,
    responder,
    unprocessable,
)
from tests.spine import BOT, Spine, configured, spine

OPENROUTER = {"data_collection": "deny", "zdr": True, "require_parameters": True}
VERCEL = {"gateway": {"zeroDataRetention": True, "disallowPromptTraining": True}}
DEMANDED: dict[str, dict[str, Any]] = {
    "openai": {"store": False},
    "openrouter": {"provider": {**OPENROUTER, "allow_fallbacks": False}},
    "vercel": {"providerOptions": VERCEL},
    "litellm": {"no-log": True},
    "vllm": {},
    "ollama": {},
}
PERSON = {"openai": "safety_identifier", "vllm": "cache_salt"}
PROMPTS = ("/v1/chat/completions", "/v1/embeddings")
PEOPLE = [f"@who{number}:x.org" for number in range(5)]
KINDS = {
    *("chat", "added", "overheard", "shared", "edited"),
    *("private", "privately", "paused", "after"),
}
SAID = re.compile(r"canary-(who\d)-(\w+)-(\d+)")
NAMED = re.compile(r"@who|:x\.org|!room|!who|\$said|\$edit|PHONE|fox-|owl-")


class Moody:
    """A server that is busy, broken, cut off, strict, or calls tools, each in its turn."""

    def __init__(self, *, refuses_tools: bool) -> None:
        self._refuses_tools = refuses_tools
        self._turn = 0
        self.moods: Counter[str] = Counter()

    async def __call__(self, exchange: Exchange) -> web.StreamResponse:
        body = exchange.captured.body
        self._turn += 1
        mood, step = self._step(body)
        self.moods[mood] += 1
        return await step(exchange)

    def _step(self, body: dict[str, Any]) -> tuple[str, Step]:
        asked = body["messages"][-1]["role"] == "user"
        if self._refuses_tools and "tools" in body:
            return "strict about tools", unprocessable("tools")
        match self._turn % 11:
            case 1:
                return "busy", error(429, headers={"Retry-After": "0.01"})
            case 3:
                return "broken", error(500)
            case 5:
                return "cut before a word", events(cut=True)
            case 7 if "stream_options" in body:
                return "strict about the stream", unprocessable("stream_options")
            case 9:
                return "cut in the middle", cut("Half an ")
            case 2 | 6 if "tools" in body and asked:
                return "searches", answer(calls=[call("search_history", {"query": "canary"})])
            case 4 | 8 | 10 if "tools" in body and asked:
                quote = SAID.search(body["messages"][-1]["content"])
                fact = {"text": "A cat", "quote": quote[0] if quote else ""}
                return "remembers", answer("Noted.", calls=[call("remember", fact)])
        return "well", answer("I see.")


def _words(person: str, kind: str, number: int) -> str:
    name = person[1:].partition(":")[0]
    return f"I have a cat that is called canary-{name}-{kind}-{number}"


async def _talk(bot: Spine) -> None:
    """Every way in which words of people get to a gateway."""
    for number, person in enumerate(PEOPLE):
        room = f"!{person[1:5]}"

        async def say(
            kind: str, at: int, who: str = person, where: str = room, before: str = "", **more: Any
        ) -> None:
            text = before + _words(who, kind, at)
            await bot.say(text, who, where, event_id=f"$said-{who}-{kind}-{at}", **more)

        for at in range(3):
            await say("chat", at)
        await bot.say(f"!memory add {_words(person, 'added', 0)}", person, room)
        await say("overheard", 0, where="!room")
        await say("shared", 0, where="!room", mentions_bot=True)
        await bot.edit(f"$said-{person}-shared-0", _words(person, "edited", 0), person, "!room")
        await say("private", 0, before="!private ")
        await bot.say("!private on", person, room)
        await say("privately", 0)
        await say("privately", 1)
        await bot.say("!private off", person, room)
        await say("paused", number, standing=Standing.CHANGED)
        await say("after", 0)


async def _captured(
    tmp_path: Path, preset: str, training: str, *, refuses_tools: bool
) -> tuple[list[Captured], Moody]:
    moody = Moody(refuses_tools=refuses_tools)
    config = configured(
        gateway={"preset": preset, "embedding_model": "e"},
        privacy={"gateway_training": training},
        limits={"messages_per_minute": "1000"},
    )
    folder = tmp_path / f"{preset}-{training}-{refuses_tools}"
    async with responder() as r:
        r.usual = moody
        async with (
            gateway(r.base_url, preset=preset, embedding_model="e") as asked,
            spine(folder, config, gateway=asked, embedder=asked) as bot,
        ):
            await asked.look()
            everybody = frozenset({BOT, *PEOPLE})
            bot.homeserver.rooms |= {
                f"!{one[1:5]}": Room(f"!{one[1:5]}", frozenset({BOT, one}), encrypted=True)
                for one in PEOPLE
            }
            bot.homeserver.rooms["!room"] = Room("!room", everybody, encrypted=True)
            await _talk(bot)
            await _examined(r, asked)
        return r.requests, moody


async def _examined(r: Responder, asked: Any) -> None:
    """What `confidant doctor` asks, of a server that lists no model."""
    r.models = ()
    await asked.check()
    await asked.embed(["Is this embedded?"])


def complaints(requests: list[Captured], preset: str) -> Iterator[str]:
    """A sentence for everything that is wrong with a request."""
    demanded, field = DEMANDED[preset], PERSON.get(preset)
    for one in requests:
        if SAID.search(one.text) and one.path not in PROMPTS:
            yield f"somebody's words went to {one.path}"
        if named := NAMED.search(one.text):
            yield f"{named[0]} is named"
        if one.path in PROMPTS:
            yield from (
                f"{key} is missing" for key in demanded if one.body.get(key) != demanded[key]
            )
            if field and not re.fullmatch("[0-9a-f]{64}", str(one.body.get(field))):
                yield f"{field} is missing"
    if field:
        yield from _mixed_up(requests, field)


def _mixed_up(requests: list[Captured], field: str) -> Iterator[str]:
    """Each person has one id, another one while nobody knows that it is them, none of others."""
    ids = defaultdict[tuple[str, bool], set[str]](set)
    for one in requests:
        if one.path in PROMPTS and (who := _asker(one)):
            ids[who].add(one.body[field])
    yield from (f"{who} has {len(found)} ids" for who, found in ids.items() if len(found) != 1)
    if len(set().union(*ids.values())) < sum(map(len, ids.values())):
        yield "people share an id"


def _asker(request: Captured) -> tuple[str, bool] | None:
    """Who asks, and whether their identity was in doubt; None where no person does."""
    body = request.body
    last = [one["content"] for one in body.get("messages", ()) if one["role"] == "user"][-1:]
    found = SAID.findall(" ".join(last or body.get("input", ())))
    people = {(name, kind == "paused") for name, kind, _ in found}
    assert len(people) <= 1, "one request, one person"
    return people.pop() if people else None


def remembered(requests: list[Captured]) -> Iterator[str]:
    """A sentence for everything in a request that is not its latest message."""
    for one in requests:
        said = set(map("-".join, SAID.findall(one.text)))
        if one.path == "/v1/embeddings" and said:
            yield "something was embedded"
        if len(said) > 1:
            yield f"{len(said)} messages in one request"
        if one.path in PROMPTS and any("overheard" in word for word in said):
            yield "something overheard"
        turns = [turn["role"] for turn in (one.body or {}).get("messages", ())]
        if turns.count("user") > 1 or "assistant" in turns:
            yield "an earlier turn"


async def test_each_of_a_thousand_requests_is_as_private_as_its_preset(tmp_path: Path) -> None:
    total, moods = list[Captured](), Counter[str]()
    for preset in DEMANDED:
        for refuses_tools in (False, True):
            requests, moody = await _captured(
                tmp_path, preset, "never", refuses_tools=refuses_tools
            )
            assert list(complaints(requests, preset)) == []
            total += requests
            moods += moody.moods

    prompts = [one for one in total if one.path in PROMPTS]
    assert len(prompts) > 1000
    assert all(moods[one] > 4 for one in moods), moods
    assert len(moods) == 9, moods
    kinds = {kind for one in prompts for _, kind, _ in SAID.findall(one.text)}
    assert kinds == KINDS
    assert any(turn["role"] == "tool" for one in prompts for turn in one.body.get("messages", ()))
    assert {len(one.body["input"]) > 1 for one in prompts if "input" in one.body} == {True, False}


@pytest.mark.parametrize("training", ["opt-out", "unknown"])
@pytest.mark.parametrize("preset", ["ollama", "openai"])
async def test_a_gateway_not_declared_no_train_gets_the_latest_message_alone(
    tmp_path: Path, training: str, preset: str
) -> None:
    requests, _ = await _captured(tmp_path, preset, training, refuses_tools=False)

    assert len([one for one in requests if SAID.search(one.text)]) > 40
    assert list(remembered(requests)) == []
    assert list(complaints(requests, preset)) == []


@pytest.mark.parametrize("preset", ["openai", "vllm", "openrouter"])
async def test_one_request_among_them_that_is_not_private_is_found(
    tmp_path: Path, preset: str
) -> None:
    requests, _ = await _captured(tmp_path, preset, "never", refuses_tools=False)
    at = max(at for at, one in enumerate(requests) if one.path in PROMPTS and _asker(one))
    other = next(one for one in requests if one.path in PROMPTS and _asker(one))

    def complained(**changed: Any) -> list[str]:
        body = {**requests[at].body, **changed}
        broken = replace(requests[at], body=body, text=json.dumps(body))
        return list(complaints([*requests[:at], broken, *requests[at + 1 :]], preset))

    for key in DEMANDED[preset]:
        assert complained(**{key: None}) == [f"{key} is missing"]
    if field := PERSON.get(preset):
        assert complained(**{field: ""})[0] == f"{field} is missing"
        assert "people share an id" in complained(**{field: other.body[field]})
    assert complained(user="@who1:x.org") == ["@who is named"]
    assert list(remembered(requests)), "memory and earlier turns are in what may hold them"
