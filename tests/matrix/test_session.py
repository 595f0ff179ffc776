"""The session file."""

from pathlib import Path

import pytest

from bot.errors import StorageError
from bot.matrix.session import Session, is_logged_in, load, save, successor

SESSION = Session("@bot:b", "DEVICE", "secret")


def test_a_session_is_kept_privately_and_whole(tmp_path: Path) -> None:
    file = tmp_path / "session"

    save(file, Session("@bot:b", "DEVICE"))
    before = is_logged_in(file)
    save(file, SESSION)

    assert load(file) == SESSION
    assert (before, is_logged_in(file)) == (False, True)
    assert [one.name for one in tmp_path.iterdir()] == ["session"]
    assert file.stat().st_mode & 0o777 == 0o600
    assert "secret" not in repr(SESSION)


def test_a_first_start_has_none(tmp_path: Path) -> None:
    assert load(tmp_path / "session") is None
    assert not is_logged_in(tmp_path / "session")


@pytest.mark.parametrize("content", ["", "{", "[]", '{"user_id": "@bot:b"}', '{"other": 1}'])
def test_a_damaged_file_is_named_and_not_replaced(tmp_path: Path, content: str) -> None:
    file = tmp_path / "session"
    file.write_text(content)

    with pytest.raises(StorageError, match="damaged"):
        load(file)
    assert file.read_text() == content


def test_a_device_that_replaces_another_is_a_new_one_and_knows_which(tmp_path: Path) -> None:
    file = tmp_path / "session"

    save(file, successor(SESSION))
    new = load(file)

    assert new is not None
    assert (new.user_id, new.replaces, new.access_token) == ("@bot:b", "DEVICE", "")
    assert new.device_id != "DEVICE"
    assert not is_logged_in(file)


def test_a_session_file_of_an_earlier_version_is_read(tmp_path: Path) -> None:
    file = tmp_path / "session"
    file.write_text('{"user_id": "@bot:b", "device_id": "DEVICE", "access_token": "secret"}')

    assert load(file) == SESSION
