"""EXP-02: vault → export → import into an empty vault → an equal vault: by files, by messages."""

import asyncio
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import HealthCheck, given, settings

from bot.archive.reading import read
from bot.archive.writing import Export
from bot.commands.import_ import STAYS_OUT
from bot.messages import Attachment
from storage import NOT_RESTORED, seal, unseal
from tests.spine import ANN, Spine, configured, spine
from tests.storage.test_merging import NOW, an_empty_vault
from tests.storage.vault_tables import CHOICES, STATES, Generated, put, restored, vaults

PASSPHRASE = "correct horse battery staple"
by_messages = settings(
    deadline=None, suppress_health_check=[*HealthCheck], derandomize=True, database=None
)
lived_in = vaults().filter(lambda tables: all(len(tables[one]) > 1 for one in ("turn", "memory")))


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)
@given(vaults())
def test_what_an_export_packs_is_what_an_import_brings_back(tables: Generated) -> None:
    async def run() -> None:
        async with an_empty_vault() as first, an_empty_vault() as second, an_empty_vault() as third:
            await put(first, tables)
            exported = await first.export()
            export = Export.of("@ann:x.org", exported, [], NOW)

            packed, bare = read(export.as_zip()), read(export.as_json())
            for vault, brought in ((second, packed), (third, bare)):
                await vault.merge(brought.tables, is_own=True, since=None, now=NOW)

            assert packed == bare
            assert packed.user_id == "@ann:x.org"
            assert packed.tables == exported
            assert await second.export() == await third.export() == restored(exported, NOW)

    asyncio.run(run())


@settings(by_messages, max_examples=20)
@given(lived_in)
def test_by_messages_it_comes_back_after_everything_was_forgotten(tables: Generated) -> None:
    asyncio.run(comes_back("!export", tables))


@settings(by_messages, max_examples=2)
@given(lived_in)
def test_by_messages_it_comes_back_with_a_passphrase(tables: Generated) -> None:
    asyncio.run(comes_back("!export json --passphrase", tables))


async def comes_back(typed: str, tables: Generated) -> None:
    """Ann takes her vault along, has everything forgotten, and brings it back."""
    config = configured(limits={"messages_per_minute": "1000"})
    with TemporaryDirectory() as folder:
        async with spine(Path(folder), config) as bot:
            bot.clock.forward(days=30)  # little that was generated is of the future
            await bot.say("!memory mode off")  # the log has an entry of hers
            before = await lived(bot, tables)
            file = await exported(bot, typed)
            await bot.say("!forget everything")
            await bot.say("yes")
            bot.clock.forward(seconds=1)

            told = await imported(bot, file)

            assert "it is now as it was" in told
            assert_equal(restored(before, bot.clock()), before, await vault(bot))


async def lived(bot: Spine, tables: Generated) -> Generated:
    """Ann's vault with these rows beside what the bot itself wrote into it."""
    async with bot.storage.vaults.open(ANN) as opened:
        [written] = [one for one in (await opened.export())["setting"] if one["name"] in CHOICES]
        chosen = [one for one in tables["setting"] if one["name"] != written["name"]]
        details = [{**one, "position": one["position"] - 100} for one in tables["audit_detail"]]
        await put(opened, {**tables, "setting": chosen, "audit_detail": details})
    return await vault(bot)


async def vault(bot: Spine) -> Generated:
    async with bot.storage.vaults.open(ANN) as opened:
        return await opened.export()


async def exported(bot: Spine, typed: str) -> Attachment:
    sent = await bot.say(typed)
    if "passphrase" in typed:
        sent = await bot.say(PASSPHRASE)
    [file] = [one.attachment for one in sent if one.attachment is not None]
    return file


async def imported(bot: Spine, file: Attachment) -> str:
    bot.homeserver.files["!ann", "$file"] = (ANN, file)
    sent = await bot.say("!import", reply_to="$file")
    if file.filename.endswith(".age"):
        sent = await bot.say(PASSPHRASE)
    return sent[-1].text


def assert_equal(wanted: Generated, before: Generated, after: Generated) -> None:
    """All is as is wanted, but for what is stated, and for what the bot itself wrote since."""
    assert [*STAYS_OUT][: len(NOT_RESTORED)] == [*NOT_RESTORED]
    assert len(STAYS_OUT) == len(NOT_RESTORED) + 2  # the two that are looked at here
    chosen = [one for one in wanted.pop("setting") if one["name"] in CHOICES]
    details = [one["commitment"] for one in wanted.pop("audit_detail") if one["position"] > 0]
    assert [one for one in after["setting"] if one["name"] in CHOICES] == chosen
    assert not STATES.keys() & {one["name"] for one in after["setting"]}
    known = [one["commitment"] for one in after["audit_detail"]]
    assert known[: len(details)] == details
    assert not {one["commitment"] for one in before["audit_detail"]} & {*known[len(details) :]}
    assert {name: after[name] for name in wanted} == wanted


def test_an_encrypted_export_is_the_same_once_it_is_opened() -> None:
    content = Export.of("@ann:x.org", _of_nothing(), [], NOW).as_zip()

    assert read(unseal(seal(content, "correct horse"), "correct horse")) == read(content)


def _of_nothing() -> Generated:
    async def run() -> Generated:
        async with an_empty_vault() as vault:
            return await vault.export()

    return asyncio.run(run())
