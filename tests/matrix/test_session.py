"""The session file."""

from pathlib import Path

import pytest

from bot.errors import StorageError
from bot.matrix.session import Session, is_logged_in, load, save

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
