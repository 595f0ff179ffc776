"""Deciding what a message is: one table."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from bot.access import (
    PRUNED_FROM,
    Chat,
    Few,
    Ignore,
    Intent,
    Once,
    Order,
    Pace,
    Refusal,
    Refuse,
    allowed,
    intent,
)
from bot.commands import COMMANDS
from bot.config import Config, load_config
from bot.messages import Room, RoomMessage, Standing
from tests.spine import NO_RULES

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
BOT, ANN, BOB = "@bot:example.org", "@ann:example.org", "@bob:example.org"
EVE = "@eve:elsewhere.org"


@pytest.fixture(scope="module")
def config() -> Config:
    return load_config(
        None,
        {
            "CONFIDANT_HOMESERVER__URL": "https://matrix.example.org",
            "CONFIDANT_HOMESERVER__USER_ID": BOT,
            "CONFIDANT_GATEWAY__BASE_URL": "builtin",
            "CONFIDANT_ACCESS__USERS": '["@*:example.org"]',
            "CONFIDANT_ACCESS__OPERATORS": '["@root:other.org"]',
        },
    )


def meant(message: RoomMessage, where: Room, config: Config, *, addressed: bool) -> Intent:
    return intent(
        message, where, config=config, rules=NO_RULES, commands=COMMANDS, addressed=addressed
    )


def said(body: str, sender: str = ANN, *, encrypted: bool = True) -> RoomMessage:
    return RoomMessage("$e", "!r", sender, body, NOW, encrypted)


def room(*members: str, encrypted: bool = True) -> Room:
    return Room("!r", frozenset({BOT, *members}), encrypted)


DIRECT, SHARED = room(ANN), room(ANN, BOB)

TABLE = [
    ("talk in a direct chat", said("hello"), DIRECT, False, Chat()),
    ("talk among others", said("hello"), SHARED, False, Ignore()),
    ("talk to the bot among others", said("hello"), SHARED, True, Chat()),
    ("exclamations are talk", said("!!!"), DIRECT, False, Chat()),
    ("another bot's command", said("!weather"), SHARED, False, Ignore()),
    ("another bot's command, mentioning us", said("!weather"), SHARED, True, Chat()),
    ("a stranger", said("hello", EVE), room(EVE), False, Refuse(Refusal.UNLISTED)),
    ("a stranger's command", said("!help", EVE), SHARED, False, Refuse(Refusal.UNLISTED)),
    ("a stranger among others", said("hello", EVE), SHARED, False, Ignore()),
    (
        "plaintext in an encrypted room",
        said("hello", encrypted=False),
        DIRECT,
        False,
        Refuse(Refusal.UNENCRYPTED_MESSAGE),
    ),
    (
        "a room without encryption",
        said("hello", encrypted=False),
        room(ANN, encrypted=False),
        False,
        Refuse(Refusal.UNENCRYPTED_ROOM),
    ),
    (
        "a session that its owner has not signed",
        replace(said("!help"), standing=Standing.UNSIGNED),
        DIRECT,
        False,
        Refuse(Refusal.UNVERIFIED_SESSION),
    ),
    (
        "such a session among others",
        replace(said("hello"), standing=Standing.UNSIGNED),
        SHARED,
        False,
        Ignore(),
    ),
    (
        "talk of a changed identity",
        replace(said("hello"), standing=Standing.CHANGED),
        DIRECT,
        False,
        Chat(),
    ),
    ("16 KB and one byte", said("x" * 16385), DIRECT, False, Refuse(Refusal.TOO_LONG)),
    ("16 KB", said("x" * 16384), DIRECT, False, Chat()),
]


@pytest.mark.parametrize(
    ("message", "where", "addressed", "expected"),
    [row[1:] for row in TABLE],
    ids=[row[0] for row in TABLE],
)
def test_what_a_message_is(
    config: Config, message: RoomMessage, where: Room, addressed: bool, expected: object
) -> None:
    found = meant(message, where, config, addressed=addressed)

    assert found == expected


@pytest.mark.parametrize(("where", "addressed"), [(DIRECT, False), (SHARED, False), (SHARED, True)])
def test_a_command_is_obeyed_everywhere(config: Config, where: Room, addressed: bool) -> None:
    found = meant(said("!help me"), where, config, addressed=addressed)

    assert isinstance(found, Order)
    assert found.command is COMMANDS[0]
    assert found.line.arguments == "me"


def test_an_unknown_command_is_answered_in_a_direct_chat(config: Config) -> None:
    found = meant(said("!hepl"), DIRECT, config, addressed=False)

    assert isinstance(found, Order)
    assert found.command is None


@pytest.mark.parametrize(
    ("user_id", "may"),
    [
        (ANN, True),
        ("@root:other.org", True),
        ("@ann:other.org", False),
        ("@ann:example.org.evil.org", False),
        ("@ann:evil.org:example.org", False),
        ("@../../../tmp/x:example.org", True),
        ("ann:example.org", False),
        ("@ann:example.org\n", False),
    ],
)
def test_who_is_listed(config: Config, user_id: str, may: bool) -> None:
    assert allowed(user_id, config, NO_RULES) is may


def test_the_pace_is_counted_per_person_and_minute() -> None:
    pace = Pace(2, since=NOW)
    later = NOW + timedelta(seconds=61)

    assert [pace.admits(said("hello"), NOW) for _ in range(3)] == [True, True, False]
    assert pace.admits(said("hello", BOB), NOW)
    assert pace.admits(said("hello"), later)


def test_what_came_while_the_bot_was_away_is_not_too_fast() -> None:
    pace = Pace(2, since=NOW + timedelta(hours=1))
    start = NOW + timedelta(hours=1)

    assert all(pace.admits(said("hello"), start) for _ in range(100))
    assert [pace.admits(said("hello"), start + timedelta(minutes=11)) for _ in range(3)] == [
        True,
        True,
        False,
    ]


def test_what_is_taken_up_again_is_not_counted_again() -> None:
    pace = Pace(1, since=NOW)
    again = replace(said("hello"), recovered=True)

    assert [pace.admits(again, NOW) for _ in range(3)] == [True, True, True]


def test_a_notice_is_repeated_only_after_its_time() -> None:
    once = Once()

    assert once.may("a", now=NOW)
    assert not once.may("a", now=NOW + timedelta(hours=23))
    assert once.may("b", now=NOW)
    assert once.may("a", now=NOW + timedelta(hours=24))


def test_what_was_said_long_ago_is_let_go_of_now_and_then_and_nothing_else_is() -> None:
    once = Once()
    for number in range(PRUNED_FROM):
        once.may(f"{number}", now=NOW, every=timedelta(hours=1))
    kept = once._until

    once.may("a", now=NOW)
    looked_through_at_once = once._until is not kept
    kept = once._until
    for number in range(PRUNED_FROM // 2):
        once.may(f"more {number}", now=NOW)
    looked_through_each_time = once._until is not kept
    for number in range(PRUNED_FROM):
        once.may(f"later {number}", now=NOW + timedelta(hours=2))

    assert (looked_through_at_once, looked_through_each_time) == (True, False)
    assert len(once._until) == 1 + PRUNED_FROM // 2 + PRUNED_FROM
    assert not once.may("a", now=NOW + timedelta(hours=2))


def test_a_few_of_one_persons_are_admitted_in_an_hour_and_each_once_a_day() -> None:
    few = Few(2)

    first = [few.may("ann", one, now=NOW) for one in "aabc"]
    bobs = few.may("bob", "a", now=NOW)
    later = [few.may("ann", one, now=NOW + timedelta(hours=1)) for one in "acd"]
    next_day = few.may("ann", "a", now=NOW + timedelta(days=1))

    assert first == [True, False, True, False]
    assert bobs
    assert later == [False, True, True]
    assert next_day
