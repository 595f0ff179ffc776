"""Deciding what an event is."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.matrix.events import (
    clear_event,
    decrypted_event,
    invite,
    kept,
    mentions,
    room_message,
    sent_at,
    without_fallback,
)
from bot.messages import RoomMessage
from bot.room_events import Edit, Invite, Reaction, Redaction

BOT = "@bot:example.org"
ROOM = "!room"


def event(content: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "event_id": "$1",
        "sender": "@ann:example.org",
        "type": "m.room.message",
        "origin_server_ts": 1_700_000_000_000,
        "content": {"msgtype": "m.text", "body": "hello", **content},
        **more,
    }


def message(content: dict[str, Any], **more: Any) -> RoomMessage | None:
    clear = clear_event(event(content, **more), ROOM)
    return room_message(clear, bot=BOT) if clear else None


def test_a_text_becomes_a_message() -> None:
    assert message({}) == RoomMessage(
        event_id="$1",
        room_id=ROOM,
        sender="@ann:example.org",
        body="hello",
        sent_at=datetime.fromtimestamp(1_700_000_000, UTC),
        encrypted=False,
    )


@pytest.mark.parametrize(
    ("content", "more"),
    [
        ({"msgtype": "m.notice"}, {}),
        ({"msgtype": "m.image"}, {}),
        ({"msgtype": None}, {}),
        ({"body": ""}, {}),
        ({"body": " \n"}, {}),
        ({"body": ["hello"]}, {}),
        ({"m.relates_to": {"rel_type": "m.replace", "event_id": "$0"}}, {}),
        ({"m.new_content": {"body": "hello"}}, {}),
        ({}, {"sender": BOT}),
        ({}, {"type": "m.reaction"}),
        ({}, {"event_id": 7}),
        ({}, {"sender": None}),
    ],
)
def test_what_is_no_message_of_a_person_is_none(
    content: dict[str, Any], more: dict[str, Any]
) -> None:
    assert message(content, **more) is None


def test_an_emote_is_a_message() -> None:
    assert message({"msgtype": "m.emote"}) is not None


def test_a_reply_names_what_it_answers_and_loses_its_quote() -> None:
    reply = message(
        {
            "body": "> <@bot:example.org> one\n> two\n\nyes\n> no",
            "m.relates_to": {"m.in_reply_to": {"event_id": "$0"}},
        }
    )

    assert reply is not None
    assert (reply.body, reply.reply_to, reply.thread_id) == ("yes\n> no", "$0", None)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("> <@a:b> quoted\n\nanswer", "answer"),
        ("> * <@a:b> quoted\n\nanswer", "answer"),
        ("> <@a:b> quoted\nanswer", "answer"),
        ("> a quote of my own\n\nanswer", "> a quote of my own\n\nanswer"),
        ("answer", "answer"),
        ("> <@a:b> quoted", ""),
    ],
)
def test_only_the_fallback_quote_is_taken_away(body: str, expected: str) -> None:
    assert without_fallback(body) == expected


def test_a_quote_in_no_reply_is_left_alone() -> None:
    quoting = message({"body": "> <@a:b> said\n\nwhat I think"})

    assert quoting is not None
    assert quoting.body == "> <@a:b> said\n\nwhat I think"


def thread(**more: Any) -> dict[str, Any]:
    return {"m.relates_to": {"rel_type": "m.thread", "event_id": "$root", **more}}


def test_a_message_in_a_thread_answers_only_what_it_was_meant_to() -> None:
    answered = {"m.in_reply_to": {"event_id": "$0"}}
    falling_back = message(thread(**answered, is_falling_back=True))
    meant = message(thread(**answered))

    assert falling_back is not None
    assert meant is not None
    assert (falling_back.thread_id, falling_back.reply_to) == ("$root", None)
    assert (meant.thread_id, meant.reply_to) == ("$root", "$0")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ({"m.mentions": {"user_ids": [BOT]}}, True),
        ({"m.mentions": {"user_ids": ["@ann:example.org"]}, "body": f"about {BOT}"}, False),
        ({"m.mentions": {}, "body": f"about {BOT}"}, False),
        ({"m.mentions": {"room": True}}, False),
        ({"m.mentions": 7, "body": BOT}, False),
        ({"body": f"{BOT}: hello"}, True),
        ({"body": f"hello {BOT}."}, True),
        ({"body": f"hello, {BOT}"}, True),
        ({"body": f"hello {BOT}.uk"}, False),
        ({"body": f"hello {BOT}:8448"}, False),
        ({"body": f"mail me at me{BOT}"}, False),
        ({"body": "bot: hello"}, False),
        ({"formatted_body": f'<a href="https://matrix.to/#/{BOT}">Bot</a>: hello'}, True),
        ({"formatted_body": '<a href="https://matrix.to/#/%40bot%3Aexample.org">Bot</a>'}, True),
        ({"formatted_body": f'<a href="https://matrix.to/#/{BOT}.uk">Bot</a>'}, False),
    ],
)
def test_the_bot_is_mentioned(content: dict[str, Any], expected: bool) -> None:
    assert mentions({"body": "", **content}, BOT) is expected


@pytest.mark.parametrize("claimed", [None, "now", -1, 10**18, 1e300, True])
def test_an_absurd_time_is_no_time(claimed: Any) -> None:
    assert sent_at({"origin_server_ts": claimed}) == datetime.fromtimestamp(0, UTC)


def test_a_decrypted_event_has_its_relation_from_outside() -> None:
    outside = event({"m.relates_to": {"rel_type": "m.thread", "event_id": "$root"}})
    inside = {"type": "m.room.message", "content": {"msgtype": "m.text", "body": "secret"}}

    clear = decrypted_event(
        {**outside, "type": "m.room.encrypted"}, ROOM, inside, device_id="PHONE"
    )

    assert clear is not None
    assert (clear.type, clear.encrypted) == ("m.room.message", True)
    assert clear.content["body"] == "secret"
    assert clear.relation == {"rel_type": "m.thread", "event_id": "$root"}
    assert "secret" not in repr(clear)


def test_half_a_character_is_no_character() -> None:
    halved = message({"body": "a\ud800b"})

    assert halved is not None
    assert halved.body == "a?b"


@pytest.mark.parametrize(
    "claimed", ["", "x", "$", "$a b", "$a\n", "$é", "$" * 300, 7, None, ["$a"]]
)
def test_what_has_not_the_form_of_an_event_id_is_none(claimed: Any) -> None:
    answered = {"rel_type": "m.thread", "event_id": claimed}
    found = message({"m.relates_to": {**answered, "m.in_reply_to": {"event_id": claimed}}})

    assert found is not None
    assert (found.thread_id, found.reply_to) == (None, None)


def member(user_id: str, membership: str) -> dict[str, Any]:
    content = {"membership": membership}
    return {"type": "m.room.member", "state_key": user_id, "sender": "@ann:b", "content": content}


def test_an_invite_names_who_sent_it() -> None:
    state = [{"type": "m.room.name"}, member("@ann:b", "join"), 7, member(BOT, "invite")]

    assert invite(ROOM, state, bot=BOT) == Invite(ROOM, "@ann:b")
    assert invite(ROOM, state[:3], bot=BOT) is None


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
NAMES = st.sampled_from(
    ["msgtype", "body", "formatted_body", "m.mentions", "m.relates_to", "m.new_content"]
)


@given(
    st.dictionaries(NAMES, ANYTHING),
    st.dictionaries(st.sampled_from(["event_id", "sender", "type", "origin_server_ts"]), ANYTHING),
)
def test_no_content_raises(content: dict[str, Any], more: dict[str, Any]) -> None:
    message(content, **more)


REPLACES = {"rel_type": "m.replace", "event_id": "$0"}
IN_THREAD = {"rel_type": "m.thread", "event_id": "$root"}
NEW = {"msgtype": "m.text", "body": "!forget everything", "m.mentions": {}}


@pytest.mark.parametrize(
    ("outside", "inside"),
    [
        (REPLACES, {}),
        (None, {"m.relates_to": REPLACES}),
        ({}, {"m.relates_to": REPLACES}),
        (REPLACES, {"m.relates_to": IN_THREAD}),
        (IN_THREAD, {"m.relates_to": REPLACES}),
        (IN_THREAD, {"m.new_content": NEW}),
        (None, {"m.new_content": NEW, "m.relates_to": REPLACES}),
        (REPLACES, {"m.new_content": NEW, "m.relates_to": REPLACES}),
        ({**REPLACES, "m.in_reply_to": {"event_id": "$0"}}, {"m.new_content": NEW}),
        ({"rel_type": ["m.replace"]}, {"m.new_content": None}),
    ],
)
@pytest.mark.parametrize("sender", ["@ann:example.org", "@somebody.else:example.org"])
def test_an_edit_is_no_message_wherever_it_says_so_and_whoever_sent_it(
    outside: Any, inside: dict[str, Any], sender: str
) -> None:
    sealed: dict[str, Any] = {"algorithm": "m.megolm.v1.aes-sha2"}
    if outside is not None:
        sealed["m.relates_to"] = outside
    outer = event({}, type="m.room.encrypted", sender=sender) | {"content": sealed}
    payload = {"type": "m.room.message", "content": {**NEW, **inside}}

    encrypted = decrypted_event(outer, ROOM, payload, device_id="PHONE")

    assert encrypted is not None
    assert room_message(encrypted, bot=BOT) is None


@pytest.mark.parametrize("event_id", ["", "gap x !room:example.org", "no-dollar", 7, None])
def test_an_event_with_an_id_that_is_none_is_no_event(event_id: Any) -> None:
    claimed = event({"msgtype": "m.text", "body": "hello"}) | {"event_id": event_id}

    assert clear_event(claimed, ROOM) is None


def found(content: dict[str, Any], **more: Any) -> object:
    clear = clear_event(event(content, **more), ROOM)
    return kept(clear, bot=BOT) if clear else None


def test_an_edit_brings_the_words_that_stand_there_now() -> None:
    edit = found({"body": "* hallo", "m.new_content": NEW, "m.relates_to": REPLACES})

    assert isinstance(edit, Edit)
    assert (edit.event_id, edit.replaces, edit.message.body) == (
        "$1",
        REPLACES["event_id"],
        NEW["body"],
    )


@pytest.mark.parametrize("new", [None, {}, {"msgtype": "m.image", "body": "a"}, {"body": ["a"]}])
def test_an_edit_without_other_words_is_nothing(new: Any) -> None:
    assert found({"m.new_content": new, "m.relates_to": REPLACES}) is None


@pytest.mark.parametrize(
    ("content", "more"), [({"redacts": "$0"}, {}), ({}, {"redacts": "$0"})], ids=["v11", "v10"]
)
def test_a_redaction_names_what_is_taken_back_in_every_room_version(
    content: dict[str, Any], more: dict[str, Any]
) -> None:
    redacted = found(content, type="m.room.redaction", **more)

    assert redacted == Redaction("$1", ROOM, "@ann:example.org", "$0")


@pytest.mark.parametrize(
    ("key", "yes"),
    [("✅", True), ("✔\ufe0f", True), ("❌", False), ("❎", False), ("👍", True), ("👎🏽", False)],
)
def test_a_sign_for_yes_or_no_is_a_reaction(key: str, yes: bool) -> None:
    relation = {"rel_type": "m.annotation", "event_id": "$0", "key": key}

    assert found({"m.relates_to": relation}, type="m.reaction") == Reaction(
        "$1", ROOM, "@ann:example.org", "$0", yes=yes
    )


@pytest.mark.parametrize(
    "relation",
    [
        {"rel_type": "m.annotation", "event_id": "$0", "key": "👀"},
        {"rel_type": "m.annotation", "event_id": "0", "key": "✅"},
        {"rel_type": "m.thread", "event_id": "$0", "key": "✅"},
        {"rel_type": "m.annotation", "event_id": "$0", "key": ["✅"]},
    ],
)
def test_other_reactions_are_nothing(relation: dict[str, Any]) -> None:
    assert found({"m.relates_to": relation}, type="m.reaction") is None
