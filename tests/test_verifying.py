"""Who may verify the bot by emoji, and what operators and people are told of it."""

from datetime import timedelta

import pytest

from bot.errors import ConfigError
from bot.messages import Comparison, Effect, Outgoing, RoomRules
from bot.room_events import Accepted
from bot.verifying import Verifying
from tests.spine import ANN, AUDIT_ROOM, BOB, EVE, NO_RULES, Clock, configured

EMOJI = ("🐶 Dog", "🍕 Pizza", "🔧 Wrench", "🚂 Train", "🎂 Cake", "📌 Pin", "🦋 Butterfly")
ASKED = Comparison(123456, ANN, "!ann", EMOJI, (1234, 5678, 9012))


class Outlet:
    """Remembers what is sent."""

    def __init__(self) -> None:
        self.sent: list[Outgoing] = []
        self.room_rules = RoomRules(True, join_rule="invite", history_visibility="joined")

    async def rules(self, room_id: str) -> RoomRules:
        return self.room_rules

    async def send(self, outgoing: Outgoing) -> str:
        self.sent.append(outgoing)
        return "$sent"


class Bot(Verifying):
    """With Bob as its operator, or nobody."""

    def __init__(self, operators: str = f'["{BOB}"]') -> None:
        self.outlet, self.clock = Outlet(), Clock()
        config = configured(access={"operators": operators})
        self.resumed: list[Accepted] = []
        self.recorded: list[tuple[Accepted, Effect]] = []
        super().__init__(
            config,
            self.outlet,
            AUDIT_ROOM,
            rules=NO_RULES,
            accepted=self.resumed.append,
            record=self.keep,
            now=self.clock,
        )

    async def keep(self, event: Accepted, effect: Effect) -> None:
        assert not self.resumed, "on the record first"
        self.recorded.append((event, effect))


def test_people_who_are_listed_may_once_in_a_while() -> None:
    bot = Bot()

    assert bot.may(ANN)
    assert not bot.may(ANN), "at once again"
    assert bot.may(BOB)
    assert not bot.may(EVE)
    bot.clock.time += timedelta(minutes=1)
    assert bot.may(ANN)


def test_without_operators_there_is_nobody_to_compare() -> None:
    assert not Bot(operators="[]").may(ANN)


async def test_emoji_go_to_the_operators_and_never_into_the_persons_room() -> None:
    bot = Bot()

    await bot.ask(ASKED)

    to_operators, to_ann = bot.outlet.sent
    assert (to_operators.room_id, to_ann.room_id) == (AUDIT_ROOM, "!ann")
    assert all(one in to_operators.text for one in EMOJI)
    assert "1234 5678 9012" in to_operators.text
    assert "!verified 123456" in to_operators.text
    assert not [one for one in (*EMOJI, "1234", "123456") if one in to_ann.text]
    assert to_operators.transaction_id != to_ann.transaction_id


async def test_between_devices_there_is_no_room_to_say_it_in() -> None:
    bot = Bot()

    await bot.ask(Comparison(123456, ANN, "", EMOJI, (1234, 5678, 9012)))

    assert [one.room_id for one in bot.outlet.sent] == [AUDIT_ROOM]


async def test_the_operators_hear_how_it_ended() -> None:
    bot = Bot()

    await bot.ended(ASKED, verified=True, reason="", accepted=False)
    await bot.ended(ASKED, verified=False, reason="It took too long.", accepted=False)

    well, badly = (one.text for one in bot.outlet.sent)
    assert "have verified each other" in well
    assert "without success: It took too long." in badly


async def test_a_new_identity_that_was_accepted_is_told_to_whoever_waits_for_it() -> None:
    bot = Bot()

    await bot.ended(ASKED, verified=True, reason="", accepted=True)
    await bot.ended(ASKED, verified=True, reason="", accepted=False)

    assert bot.resumed == [Accepted("!ann", ANN, 123456)]


async def test_an_accepted_identity_counts_also_where_the_rest_went_wrong() -> None:
    bot = Bot()

    await bot.ended(ASKED, verified=False, reason="please begin again", accepted=True)

    [told] = bot.outlet.sent
    assert told.text.endswith("ended without success: please begin again")
    assert bot.resumed == [Accepted("!ann", ANN, 123456)]


async def test_that_a_new_identity_is_about_to_be_accepted_is_recorded_with_its_person() -> None:
    bot = Bot()

    await bot.accepts(ASKED)
    await bot.ended(ASKED, verified=True, reason="", accepted=True)

    [(event, effect)] = bot.recorded
    assert event == Accepted("!ann", ANN, 123456)
    assert (effect.action, effect.outcome) == ("access.changed", "begun")
    assert effect.facts == {"identity": "accepted"}


async def test_nothing_is_told_in_an_audit_room_that_others_could_read() -> None:
    bot = Bot()
    bot.outlet.room_rules = RoomRules(True, join_rule="public", history_visibility="joined")

    with pytest.raises(ConfigError):
        await bot.ask(ASKED)
    with pytest.raises(ConfigError):
        await bot.ended(ASKED, verified=True, reason="", accepted=True)

    assert bot.outlet.sent == [], "nor is the person told to wait for an operator"
    assert bot.resumed == [Accepted("!ann", ANN, 123456)]


async def test_an_id_is_never_markup() -> None:
    bot = Bot()

    await bot.ask(Comparison(123456, "@a`**b**\n# c:x.org", "", EMOJI, (1, 2, 3)))

    assert "`@a?**b**?#?c:x.org`" in bot.outlet.sent[0].text
