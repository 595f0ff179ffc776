"""A file that is brought back is read or refused in one sentence, whatever was put into it."""

import json
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from bot.archive.reading import read
from bot.errors import BusyError, UsageError
from tests.hostile_exports import (
    GOOD,
    TEXTS,
    TURN,
    ZIPS,
    bare,
    document,
    nested,
    of_keys,
    of_wide_texts,
    packed,
)


@pytest.mark.parametrize("name", ZIPS)
def test_a_hostile_zip_is_refused_in_one_sentence(name: str) -> None:
    make, sentence = ZIPS[name]

    with pytest.raises(UsageError) as refused:
        read(make())

    assert str(refused.value) == sentence


@pytest.mark.parametrize("name", TEXTS)
def test_a_hostile_text_is_refused_in_one_sentence(name: str) -> None:
    make, sentence = TEXTS[name]

    with pytest.raises(UsageError) as refused:
        read(make())

    assert str(refused.value) == sentence


def test_every_refusal_is_one_sentence_that_says_that_nothing_came_in() -> None:
    sentences = {sentence for _, sentence in [*ZIPS.values(), *TEXTS.values()]}

    assert len(ZIPS) + len(TEXTS) >= 40
    for sentence in sentences:
        assert "imported nothing" in sentence
        assert sentence.endswith(".")
        assert ". " not in sentence


def test_a_bomb_is_not_kept_while_it_is_unpacked() -> None:
    content = ZIPS["that is a bomb"][0]()
    tracemalloc.start()

    with pytest.raises(UsageError):
        read(content)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak < 120_000_000


MEASURED = """
import pathlib, sys
from bot.archive.reading import read
from bot.errors import BusyError, UsageError
try:
    read(pathlib.Path(sys.argv[1]).read_bytes())
except UsageError:
    print("refused")
status = pathlib.Path("/proc/self/status").read_text()
print(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")))
"""


@pytest.mark.parametrize(
    ("make", "refused"),
    [
        (nested, True),
        (partial(of_keys, 2_300_000), False),
        (partial(of_wide_texts, 1, "😀"), False),
        (partial(of_wide_texts, 2, ""), True),
        (partial(of_wide_texts, 4, "😀"), True),
        (partial(of_wide_texts, 4, r"\ud83d\ude00"), True),
    ],
    ids=["8 nested", "keys", "1 wide", "2 narrow", "4 wide", "4 escaped"],
)
def test_no_file_takes_more_than_about_a_gigabyte(
    tmp_path: Path, make: Callable[[], bytes], refused: bool
) -> None:
    (file := tmp_path / "export.zip").write_bytes(make())

    run = [sys.executable, "-c", MEASURED, str(file)]
    *said, peak = subprocess.run(run, check=True, capture_output=True, text=True).stdout.split()

    assert said == ["refused"] * refused
    assert int(peak) < 1_200_000  # kB; 990,000 was measured


def test_our_export_is_read_packed_and_bare() -> None:
    of_zip, of_json = read(packed(GOOD)), read(GOOD["export.json"])

    assert of_zip == of_json
    assert of_zip.user_id == "@ann:x.org"
    assert of_zip.tables["turn"] == [TURN]


def test_a_mark_before_the_text_is_no_part_of_it() -> None:
    assert read(b"\xef\xbb\xbf" + document(turn=[dict(TURN)])).tables["turn"] == [TURN]


def test_what_an_export_of_an_earlier_release_lacks_counts_as_not_said() -> None:
    earlier = {name: value for name, value in TURN.items() if name != "provider"}

    assert read(document(turn=[earlier])).tables["turn"] == [{**TURN, "provider": None}]


def test_conversations_in_our_own_export_are_not_imported_a_second_time() -> None:
    talk = json.dumps([{"id": "c", "mapping": {}}]).encode()

    brought = read(packed({**GOOD, "conversations.json": talk}))

    assert brought.tables["turn"] == [TURN]
    assert not brought.left_out


def test_chatgpts_export_is_found_in_a_folder_and_in_parts() -> None:
    def talk(name: str) -> bytes:
        message = {"id": name, "author": {"role": "user"}, "create_time": 1.0}
        message["content"] = {"content_type": "text", "parts": [f"words of {name}"]}
        return json.dumps([{"id": name, "mapping": {"n": {"message": message}}}]).encode()

    files = {"x/conversations-000.json": talk("a"), "x/conversations-001.json": talk("b")}
    brought = read(bare({**files, "x/user.json": b"{}", "x/shared_conversations.json": b"[]"}))

    assert [row["text"] for row in brought.tables["turn"]] == ["words of a", "words of b"]


def test_only_one_file_is_read_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    refused = []

    def meanwhile(content: bytes, allowance: object) -> object:
        with pytest.raises(BusyError):
            read(b"[]")
        refused.append(content)
        return []

    with monkeypatch.context() as patched:
        patched.setattr("bot.archive.reading.parsed", meanwhile)
        read(b"[]")

    assert refused == [b"[]"]
    assert read(b"[]").tables["turn"] == []
