"""200 random lives, each ended by `!forget everything`: not a word of them is left anywhere.

That is: in no file, temporary folder or log. Behind this spine stands no Matrix, so no crypto
store: that nothing is left there is proved by a whole bot's life in live/test_forget_forensics.py.
"""

import base64
import io
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from random import Random

import pytest

from bot.log import configure_logging
from tests.random_lives import Life, mark
from tests.spine import ANN, BOB, EVE, Spine, configured, spine

LIVES = 200
AT_A_TIME = 20
STEPS = 22
DONE = {"import", "export --passphrase", "forget last", "forget 1h"}
SPELLINGS = "utf-8", "utf-16-le", "utf-16-be"


class Numbers:
    """An embedding model for which every text means something else."""

    async def embed(
        self, texts: Sequence[str], *, person: str = "", seconds: float = 0
    ) -> list[list[float]]:
        return [[float(ord(one)) for one in text[:8].ljust(8)] for text in texts]


def spellings(word: str) -> set[bytes]:
    """The bytes that a word may be stored as: text, numbers, capitals, and base64 at any place."""
    plain = [
        form for text in (word, word.upper()) for form in (text.encode(one) for one in SPELLINGS)
    ]
    coded = {base64.b64encode(bytes(shift) + word.encode())[4:-4] for shift in range(3)}
    return {*plain, *coded, word.encode().hex().encode(), word.encode().hex().upper().encode()}


def found(word: str, folder: Path) -> list[str]:
    """The names of the files that hold it in any spelling."""
    forms = spellings(word)
    contents = {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    return [name for name, content in contents.items() if any(one in content for one in forms)]


async def everything_of(bot: Spine, person: str) -> dict[str, object]:
    async with bot.storage.vaults.open(person) as vault:
        return {**await vault.export()}


async def forget_everything(life: Life) -> None:
    """Ask for it, agree, and let what the bot said leave the rooms."""
    bot = life.bot
    await life.say(ANN, "!forget everything", room_id="!ann")
    bot.clock.forward(seconds=30)
    [*_, receipt] = await life.say(ANN, "yes", room_id="!ann")
    assert "Done: everything is forgotten" in receipt.text
    assert await bot.withdrawing.go_on()


@pytest.mark.parametrize("first", range(0, LIVES, AT_A_TIME))
async def test_no_word_of_a_random_life_is_left_in_any_file_or_log(
    first: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    stream: io.StringIO,
) -> None:
    configure_logging("DEBUG", stream)
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    for name in ("TMPDIR", "SQLITE_TMPDIR"):
        monkeypatch.setenv(name, str(temporary))
    monkeypatch.setattr(tempfile, "tempdir", None)
    untouched = temporary.stat().st_mtime_ns

    done: Counter[str] = Counter()
    for seed in range(first, first + AT_A_TIME):
        done += await live_and_forget(seed, tmp_path / str(seed))
        assert mark(ANN) not in stream.getvalue(), seed

    assert " ERROR bot.handler bug " in stream.getvalue(), "the test is blind"
    assert temporary.stat().st_mtime_ns == untouched, "no file was ever made there"
    assert done.keys() >= DONE, "the test is blind"


async def live_and_forget(seed: int, data: Path) -> Counter[str]:
    """A life of this seed and its end; what was done in it."""
    config = configured(gateway={"embedding_model": "e"})
    async with spine(data, config, embedder=Numbers()) as bot:
        life = Life(bot, Random(seed))
        await bot.storage.rooms.remember_identity(ANN, "key")
        await life.go(STEPS)
        others = {one: await everything_of(bot, one) for one in (BOB, EVE)}
        (data / "planted").write_text(f"{mark(BOB)}0end")
        assert mark(ANN) in str(await everything_of(bot, ANN)), (seed, "the test is blind")

        await forget_everything(life)

        assert found(f"{mark(BOB)}0end", data) == ["planted"], (seed, "the test is blind")
        assert found(mark(ANN), data) == [], seed
        assert {one: await everything_of(bot, one) for one in (BOB, EVE)} == others, seed
        assert (await bot.storage.audit_log.verify()).entries
        assert not [one for one in bot.homeserver.standing("!ann") if mark(ANN) in one], seed
    assert found(mark(ANN), data) == found(ANN, data) == [], seed
    assert b"!ann" not in (data / "shared.db").read_bytes(), seed
    return life.done
