"""The demo's chat saves what the bot sends, and sends what lies on this machine."""

import io
import stat
import zipfile
from pathlib import Path

import pytest

from bot.demo import files
from bot.demo.files import amount, keep, to_send
from bot.errors import UsageError
from bot.messages import Attachment
from tests.demo.test_tour import answers, demo


@pytest.mark.live
@pytest.mark.timeout(300)
async def test_an_export_is_saved_and_comes_back(tmp_path: Path) -> None:
    copy = tmp_path / "my export.zip"
    told = await demo("--data", str(tmp_path / "data"), spoken="My cat is called Miso.\n!export\n")
    [saved] = (tmp_path / "data" / "received").iterdir()
    copy.write_bytes(saved.read_bytes())
    lines = ["!forget everything", "yes", "/send /nowhere.zip", f"/send {copy}", "!import"]
    again = await demo("--data", str(tmp_path / "data"), spoken="\n".join([*lines, "!memory"]))

    assert told[0] == again[0] == 0, told[2] + again[2]
    assert "on the server of my operator (the person who started this demo). No" in told[1]
    line = answers(told[1])["!export"].splitlines()[0]
    assert line == f"[saved as {saved} ({amount(saved.stat().st_size)})]"
    assert stat.S_IMODE(saved.stat().st_mode) == 0o600
    assert stat.S_IMODE(saved.parent.stat().st_mode) == 0o700
    with zipfile.ZipFile(io.BytesIO(saved.read_bytes())) as archive:
        assert archive.testzip() is None
        assert b"Miso" in archive.read("index.html")
    answered = answers(again[1])
    assert answered["/send /nowhere.zip"].startswith("There is no file /nowhere.zip, so nothing")
    assert answered[f"/send {copy}"].startswith("[sent my export.zip (")
    assert "Imported: 1 memory" in answered["!import"]
    assert "Your cat is called Miso" in answered["!memory"]
    assert copy.read_bytes() not in [
        one.read_bytes() for one in (tmp_path / "data" / "homeserver").rglob("*") if one.is_file()
    ]


def test_a_saved_file_replaces_none_and_stays_in_its_folder(tmp_path: Path) -> None:
    folder = tmp_path / "received"
    names = ["a.zip", "a.zip", "../../b.zip", "..", ""]

    kept = [keep(folder, Attachment(name, "", b"x%d" % at)) for at, name in enumerate(names)]

    assert [one.name for one in kept] == ["a.zip", "2-a.zip", "_.._b.zip", "file", "2-file"]
    assert {one.parent for one in kept} == {folder}
    assert [one.read_bytes() for one in kept] == [b"x0", b"x1", b"x2", b"x3", b"x4"]


@pytest.mark.parametrize("name", ["字" * 150 + ".zip", "x" + "." * 150, "." * 300, "é" * 400])
def test_a_long_name_fits_into_a_folder_and_hides_nothing(tmp_path: Path, name: str) -> None:
    path = keep(tmp_path, Attachment(name, "text/plain", b"x"))

    assert path.read_bytes() == b"x"
    assert not path.name.startswith(".")


def test_what_cannot_be_sent_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "LARGEST", 4_000)
    monkeypatch.chdir(tmp_path)
    Path("large.zip").write_bytes(bytes(4_001))
    Path("fits.zip").write_bytes(bytes(4_000))

    with pytest.raises(UsageError, match=r"^large\.zip has more than 4 kB, so it was not sent\.$"):
        to_send("large.zip")
    with pytest.raises(UsageError, match=rf"^There is no file {tmp_path}, so nothing was sent\."):
        to_send(str(tmp_path))
    with pytest.raises(UsageError, match=r"^~nobody-here/x can't be read: "):
        to_send("~nobody-here/x")
    assert to_send("'fits.zip'") == Attachment("fits.zip", "application/zip", bytes(4_000))
