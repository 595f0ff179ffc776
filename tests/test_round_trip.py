"""EXP-02: vault → export → import into an empty vault → an equal vault, by the files themselves."""

import asyncio

from hypothesis import HealthCheck, given, settings

from bot.archive.reading import read
from bot.archive.writing import Export
from storage import seal, unseal
from tests.storage.test_merging import NOW, an_empty_vault, brought_in
from tests.storage.vault_tables import Generated, vaults


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)
@given(vaults())
def test_what_an_export_packs_is_what_an_import_brings_back(tables: Generated) -> None:
    async def run() -> None:
        async with an_empty_vault() as first, an_empty_vault() as second, an_empty_vault() as third:
            await brought_in(first, tables)
            exported = await first.export()
            export = Export.of("@ann:x.org", exported, [], NOW)

            packed, bare = read(export.as_zip()), read(export.as_json())
            for vault, brought in ((second, packed), (third, bare)):
                await vault.merge(brought.tables, is_own=True, since=None, now=NOW)

            assert packed == bare
            assert packed.user_id == "@ann:x.org"
            assert await second.export() == await third.export() == exported

    asyncio.run(run())


def test_an_encrypted_export_is_the_same_once_it_is_opened() -> None:
    content = Export.of("@ann:x.org", _of_nothing(), [], NOW).as_zip()

    assert read(unseal(seal(content, "correct horse"), "correct horse")) == read(content)


def _of_nothing() -> Generated:
    async def run() -> Generated:
        async with an_empty_vault() as vault:
            return await vault.export()

    return asyncio.run(run())
