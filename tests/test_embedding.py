"""What a person says is found again by its meaning, where a model may see it, at no one's cost."""

from collections.abc import Callable, Sequence
from pathlib import Path

from bot.embedding import Embedding
from bot.errors import GatewayError
from bot.preferences import Mode, choose_mode
from tests.spine import ANN, BOB, configured, spine

MODEL = {"embedding_model": "e"}
PETS, MONEY, NOTHING = [1.0, 0.0, 0.1], [0.0, 1.0, 0.1], [0.1, 0.1, 1.0]
MEANINGS = {"puppy": PETS, "dog": PETS, "mortgage": MONEY, "debts": MONEY}


class Meanings:
    """Knows a few words, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.people: set[str] = set()
        self.fails = False
        self.meanwhile: Callable[[], None] = lambda: None

    async def embed(
        self, texts: Sequence[str], *, person: str = "", seconds: float = 0
    ) -> list[list[float]]:
        self.meanwhile()
        self.asked += texts
        self.people.add(person)
        if self.fails:
            raise GatewayError("The model gateway is away.")
        return [
            next((MEANINGS[word] for word in MEANINGS if word in text), NOTHING) for text in texts
        ]


async def test_what_was_said_is_found_by_its_meaning_in_another_room(tmp_path: Path) -> None:
    meanings = Meanings()
    async with spine(tmp_path, configured(gateway=MODEL), embedder=meanings) as s:
        await s.say("Our puppy is called Waldi.")
        await s.say("How large are my debts?", room_id="!open")

        await s.say("Which dog?", room_id="!open")

    shown = "".join(one.content for one in s.model.requests[-1])
    assert "Waldi" in shown
    assert "" not in meanings.people


async def test_the_answer_is_sent_before_it_and_its_question_get_vectors(tmp_path: Path) -> None:
    meanings = Meanings()
    async with spine(tmp_path, configured(gateway=MODEL), embedder=meanings) as s:
        s.model.answers = ["What a good dog."]
        sent_by_then: list[int] = []
        meanings.meanwhile = lambda: sent_by_then.append(len(s.homeserver.sent))
        await s.say("Our puppy is called Waldi.")

        async with s.storage.vaults.open(ANN) as vault:
            assert await vault.vectors.missing(limit=9) == []

    assert meanings.asked[0] == "Our puppy is called Waldi."
    assert set(meanings.asked[1:]) == {"Our puppy is called Waldi.", "What a good dog."}
    assert (sent_by_then[0], min(sent_by_then[1:])) == (0, 1)


async def test_a_gateway_without_vectors_costs_nobody_an_answer(tmp_path: Path) -> None:
    meanings = Meanings()
    async with spine(tmp_path, configured(gateway=MODEL), embedder=meanings) as s:
        meanings.fails = True
        assert await s.text("Our puppy is called Waldi.") == "I see."
        assert ("message.answered", "ok") in await s.audited()

        meanings.fails = False
        assert await s.text("Hello again.") == "I see."
        async with s.storage.vaults.open(ANN) as vault:
            assert await vault.vectors.missing(limit=9) == []


async def test_a_gateway_that_may_train_embeds_nothing(tmp_path: Path) -> None:
    meanings = Meanings()
    config = configured(gateway=MODEL, privacy={"gateway_training": "unknown"})
    async with spine(tmp_path, config, embedder=meanings) as s:
        await s.say("Our puppy is called Waldi.")

    assert meanings.asked == []


async def test_without_a_configured_model_nothing_is_embedded(tmp_path: Path) -> None:
    meanings = Meanings()
    async with spine(tmp_path, configured(), embedder=meanings) as s:
        await s.say("Our puppy is called Waldi.")

    assert meanings.asked == []


async def test_vectors_go_once_no_model_is_configured(tmp_path: Path) -> None:
    async with spine(tmp_path, configured(gateway=MODEL), embedder=Meanings()) as s:
        await s.say("Our puppy is called Waldi.")

        async with s.storage.vaults.open(ANN) as vault:
            await Embedding().catch_up(vault)
            assert len(await vault.vectors.missing(limit=9)) == 2


async def test_another_models_vectors_are_made_anew(tmp_path: Path) -> None:
    meanings = Meanings()
    async with spine(tmp_path, configured(gateway=MODEL), embedder=meanings) as s:
        await s.say("Our puppy is called Waldi.")
        meanings.asked.clear()

        async with s.storage.vaults.open(ANN) as vault:
            await Embedding(meanings, "another").catch_up(vault)
            assert await vault.vectors.missing(limit=9) == []

    assert set(meanings.asked) == {"Our puppy is called Waldi.", "I see."}


async def test_whoever_turned_memory_off_has_nothing_embedded(tmp_path: Path) -> None:
    meanings = Meanings()
    async with spine(tmp_path, configured(gateway=MODEL), embedder=meanings) as s:
        async with s.storage.vaults.open(ANN) as vault:
            await choose_mode(vault, Mode.OFF)
        await s.say("Our puppy is called Waldi.")

    assert meanings.asked == []


async def test_another_persons_words_are_not_found_by_their_meaning(tmp_path: Path) -> None:
    meanings = Meanings()
    async with spine(tmp_path, configured(gateway=MODEL), embedder=meanings) as s:
        await s.say("Our puppy is called Waldi.")

        await s.say("Which dog?", BOB, "!bob")

    assert "Waldi" not in "".join(one.content for one in s.model.requests[-1])
