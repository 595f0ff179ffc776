"""Who may verify the bot by emoji, what operators are shown, and whose word counts."""

from datetime import timedelta

import pytest

from bot.messages import Comparison, Outgoing, Standing
from bot.room_events import Accepted
from bot.verifying import Verifying
from tests.spine import ANN, AUDIT_ROOM, BOB, BOT, EVE, NO_RULES, Clock, configured

EMOJI = ("🐶 Dog", "🍕 Pizza", "🔧 Wrench", "🚂 Train", "🎂 Cake", "📌 Pin", "🦋 Butterfly")
ASKED = Comparison(123456, ANN, "!ann", EMOJI, (1234, 5678, 9012))


class Outlet:
    """Remembers what is sent."""

    def __init__(self) -> None:
        self.sent: list[Outgoing] = []

    async def send(self, outgoing: Outgoing) -> str:
        self.sent.append(outgoing)
        return "$sent"


class Bot(Verifying):
    """With Bob as its operator, or nobody."""

    def __init__(self, operators: str = f'["{BOB}"]') -> None:
        self.outlet, self.clock = Outlet(), Clock()
        config = configured(access={"operators": operators})
        self.resumed: list[Accepted] = []
        super().__init__(
            config,
            self.outlet,
            AUDIT_ROOM,
            rules=NO_RULES,
            accepted=self.resumed.append,
            now=self.clock,
        )

    def told(
        self,
        body: str,
        room_id: str = AUDIT_ROOM,
        sender: str = BOB,
        *,
        encrypted: bool = True,
        standing: Standing = Standing.OWNED,
    ) -> tuple[int, bool] | None:
        return self.answer(room_id, sender, body, encrypted=encrypted, standing=standing)


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


async def test_the_operators_hear_each_time_that_nothing_waits_for_an_answer() -> None:
    bot = Bot()

    await bot.unknown(12345)
    bot.clock.forward(seconds=1)
    await bot.unknown(12345)

    first, again = bot.outlet.sent
    assert first.text.startswith("No verification waits for an answer under 012345:")
    assert first.room_id == AUDIT_ROOM
    assert first.transaction_id != again.transaction_id


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


async def test_an_id_is_never_markup() -> None:
    bot = Bot()

    await bot.ask(Comparison(123456, "@a`**b**\n# c:x.org", "", EMOJI, (1, 2, 3)))

    assert "`@a?**b**?#?c:x.org`" in bot.outlet.sent[0].text


@pytest.mark.parametrize(
    ("body", "answer"),
    [
        ("!verified 123456", (123456, True)),
        (" !mismatch 123456\n", (123456, False)),
        ("!verified 12345", None),
        ("!verified 1234567", None),
        ("!verified １２３４５６", None),
        ("!verified", None),
        ("verified 123456", None),
        ("!verified 123456 or not", None),
        ("I write !verified 123456", None),
    ],
)
def test_what_an_operator_writes_is_taken_word_for_word(
    body: str, answer: tuple[int, bool] | None
) -> None:
    assert Bot().told(body) == answer


@pytest.mark.parametrize(
    ("room_id", "sender", "encrypted"),
    [(AUDIT_ROOM, ANN, True), ("!ann", BOB, True), (AUDIT_ROOM, BOB, False)],
    ids=["not an operator", "another room", "not encrypted"],
)
def test_nobody_elses_word_counts_and_none_that_a_homeserver_could_write(
    room_id: str, sender: str, encrypted: bool
) -> None:
    assert Bot().told("!verified 123456", room_id, sender, encrypted=encrypted) is None


@pytest.mark.parametrize("standing", [Standing.UNSIGNED, Standing.CHANGED])
def test_an_operators_own_new_device_or_identity_vouches_for_nobody(standing: Standing) -> None:
    assert Bot().told("!verified 123456", standing=standing) is None


def test_the_bots_own_account_vouches_for_nobody_though_operators_cover_it() -> None:
    everybody = Bot('["@*:x.org"]')

    assert everybody.told("!verified 123456", sender=BOB) == (123456, True)
    assert everybody.told("!verified 123456", sender=BOT) is None
