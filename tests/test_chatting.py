"""An answer that stands in the room was given, whatever fails of what comes after it."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from bot.errors import HomeserverError, HomeserverUnavailableError
from bot.messages import Outgoing
from storage import Pending, StorageFailure, Vectors
from tests.spine import ANN, Spine, configured, disclosed, remembers, spine
from tests.test_embedding import Meanings

ASKING = {"mode": "ask"}
EMBEDDING = {"embedding_model": "e"}


@pytest.fixture
async def bot(tmp_path: Path) -> AsyncIterator[Spine]:
    async with spine(tmp_path, configured(memory=ASKING)) as running:
        running.model.answers = ["Hello."]
        await running.say("hello")
        running.model.answers = [remembers("The cat is called Miso", "my cat is called Miso")] * 2
        yield running


def refuses(error: Exception) -> Callable[[Spine, pytest.MonkeyPatch], None]:
    """The homeserver takes no notice any more."""

    def arm(bot: Spine, patch: pytest.MonkeyPatch) -> None:
        send = bot.homeserver.send

        async def refusing(outgoing: Outgoing) -> str:
            if not outgoing.generated:
                raise error
            return await send(outgoing)

        patch.setattr(bot.homeserver, "send", refusing)

    return arm


async def damaged(*arguments: object) -> None:
    raise StorageFailure("damaged")


def unread(bot: Spine, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Pending, "of_message", damaged)


def no_vectors(bot: Spine, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Vectors, "only", damaged)


@pytest.mark.parametrize(
    "fails",
    [refuses(HomeserverError("refused")), unread, no_vectors],
    ids=["the homeserver refuses to ask", "proposals can't be read", "vectors can't be kept"],
)
@pytest.mark.parametrize("edited", [False, True], ids=["a message", "an edit"])
async def test_what_fails_after_an_answer_brings_no_apology_and_the_message_counts_as_answered(
    bot: Spine,
    fails: Callable[[Spine, pytest.MonkeyPatch], None],
    edited: bool,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    if edited:
        await bot.say("which cat?", event_id="$1")
        bot.model.answers = [remembers("The cat is called Miso", "my cat is called Miso")]
    with monkeypatch.context() as patch:
        fails(bot, patch)
        sent = await (
            bot.edit("$1", "my cat is called Miso")
            if edited
            else bot.say("my cat is called Miso", event_id="$1")
        )

    answers = [one for one in sent if one.generated]
    asked = [one.text for one in sent if not one.generated]
    assert [one.text for one in answers] == ["Nice."]
    assert all("May I remember" in one for one in asked), "no apology"
    assert (await bot.audited())[-1] == ("message.answered", "ok")
    assert ("message.answered", "failed") not in await bot.audited()
    assert "an answer was given, but" in caplog.text
    assert "Miso" not in caplog.text


async def test_a_homeserver_that_is_away_still_holds_up_what_is_to_be_asked(
    bot: Spine, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuses(HomeserverUnavailableError("away"))(bot, monkeypatch)

    with pytest.raises(HomeserverUnavailableError):
        await bot.say("my cat is called Miso")


async def test_the_time_of_an_answer_is_over_when_it_stands(tmp_path: Path) -> None:
    meanings = Meanings()
    async with spine(tmp_path, configured(gateway=EMBEDDING), embedder=meanings) as bot:
        only = Vectors.only

        async def slow(self: Vectors, model: str) -> None:
            bot.clock.forward(seconds=3)
            await only(self, model)

        async def thinking() -> None:
            bot.clock.forward(seconds=1)

        bot.model.meanwhile = thinking
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Vectors, "only", slow)
            await bot.say("hello", event_id="$1")
            await bot.edit("$1", "hello there")

        async with bot.storage.vaults.open(ANN) as vault:
            entries = (await disclosed(bot.storage.audit_log, vault))[:9]
        answered = [one for _, one in entries if one.action == "message.answered"]
        times = [one.facts["ms"] for one in answered if one.outcome == "ok"]
        assert times == [1000, 1000]
