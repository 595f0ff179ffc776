"""The heads that people were given are found in the very files they were given."""

import io
import zipfile
from pathlib import Path

from bot.audit_view import HEAD
from storage import notes_in
from tests.spine import configured, spine


async def test_every_file_that_carries_a_head_is_read(tmp_path: Path) -> None:
    async with spine(tmp_path, configured(limits={"messages_per_minute": "10000"})) as bot:
        await bot.say("!memory add I like tea")
        sent = await bot.say("!export")
        [archive] = [one.attachment for one in sent if one.attachment]
        [head] = [one.fields[HEAD] for one in sent if HEAD in one.fields]
        [proof] = [one.attachment for one in await bot.say("!audit proof 2") if one.attachment]

    with zipfile.ZipFile(io.BytesIO(archive.content)) as files:
        document, manifest = (
            files.read(name).decode() for name in ("export.json", "manifest.json")
        )
    assert notes_in(document) == notes_in(manifest) == [head]
    assert len(notes_in(proof.content.decode())) == 1
    assert notes_in(f"{document}\n{manifest}\nmore") == [head, head]
