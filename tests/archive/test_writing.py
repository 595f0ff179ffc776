"""What stands in the files of an export, each for whoever reads it."""

import hashlib
import io
import json
import zipfile
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from bot.archive.page import pieces
from bot.archive.writing import Export
from storage import read_audit_log
from storage.audit_entry import canonical
from tests.archive.vaults import ANN, EVERYTHING, carried_out, export_of, storage_in


@pytest.fixture
async def export(tmp_path: Path) -> AsyncIterator[Export]:
    async with storage_in(tmp_path) as storage, storage.vaults.open(ANN) as vault:
        await carried_out(vault, EVERYTHING)
        yield await export_of(storage, vault)


@pytest.fixture
def files(export: Export) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(export.as_zip())) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_the_same_export_is_the_same_bytes(export: Export) -> None:
    assert export.as_zip() == export.as_zip()


def test_the_document_is_the_same_alone_and_in_the_zip(
    export: Export, files: dict[str, bytes]
) -> None:
    assert files["export.json"] == export.as_json()
    assert json.loads(files["export.json"]) == json.loads(json.dumps(export.document))


def test_a_row_stands_on_a_line(export: Export) -> None:
    rows = [line.rstrip(",") for line in export.as_json().decode().splitlines()]

    for turn in export.document["tables"]["turn"]:
        assert rows.count(json.dumps(turn, ensure_ascii=False)) == 1


def test_the_page_is_written_a_row_at_a_time(export: Export) -> None:
    """So that everybody else is answered while that of a large vault is."""
    events = [f'"{turn["event_id"]}"'.encode() for turn in export.document["tables"]["turn"]]

    rows = [sum(map(piece.count, events)) for piece in pieces(export.document, export.entries)]

    assert max(rows) == 1
    assert sum(rows) >= len(events) > 1


def test_each_memory_tells_where_it_comes_from_and_what_became_of_it(
    files: dict[str, bytes],
) -> None:
    tea, cat, rome = json.loads(files["memories.json"])

    assert (tea["memory"], tea["text"], tea["origin"]) == (1, "I like green tea", "person")
    assert tea["source"] is None
    assert [one["text"] for one in tea["revisions"]] == ["I like tea"]
    assert [one["room_id"] for one in tea["shared_in"]] == ["!shared"]
    assert len(tea["uses"]) == 2
    assert cat["pinned"] is True
    assert cat["source"] == {
        "event_id": "$1", "room_id": "!shared", "quote": "My cat is called Miso"
    }  # fmt: skip
    assert [(one["event_id"], one["quote"]) for one in cat["said_again"]] == [
        ("$3", "the cat Miso")
    ]
    assert rome["status"] == "pending"


def test_each_message_is_a_line_and_answers_tell_what_they_used(files: dict[str, bytes]) -> None:
    lines = [json.loads(line) for line in files["messages.jsonl"].decode().splitlines()]

    question, answer, *_ = lines
    assert (question["role"], question["text"]) == ("user", "What do I like?")
    assert "used_memories" not in question
    assert (answer["role"], answer["answers_event_id"]) == ("assistant", question["event_id"])
    assert answer["used_memories"] == [2]
    assert answer["further_event_ids"] == ["$6 answer 1"]
    assert [one["role"] for one in lines] == [*["user", "assistant"] * 3, "user"]


def test_what_the_log_vouches_for_can_be_proved_from_the_file_alone(
    files: dict[str, bytes], tmp_path: Path
) -> None:
    entries = [json.loads(line) for line in files["audit.jsonl"].decode().splitlines()]
    public = {one.seq: one.commitment for one in read_audit_log(tmp_path)}

    assert [one["seq"] for one in entries] == sorted(public)
    assert {"vault.created", "message.answered"} <= {one["action"] for one in entries}
    for one in entries:
        seq, commitment, salt = one.pop("seq"), one.pop("commitment"), one.pop("salt")
        assert hashlib.sha256(bytes.fromhex(salt) + canonical(one)).hexdigest() == commitment
        assert public[seq] == commitment


def nodes(conversation: dict[str, Any]) -> list[dict[str, Any]]:
    """The messages as LibreChat finds them: from the last one up, each by its parent."""
    found: list[dict[str, Any]] = []
    node_id = conversation["current_node"]
    while node_id is not None:
        node = conversation["mapping"][node_id]
        assert node["id"] == node_id
        assert node["children"] == [one["id"] for one in found[-1:]]
        found.append(node)
        node_id = node["parent"]
    return found[::-1]


def test_conversations_are_trees_as_other_programs_read_them(files: dict[str, bytes]) -> None:
    conversations = json.loads(files["conversations.json"])

    titles = ["What do I like?", "In a thread", "I live in Rome"]
    assert [one["title"] for one in conversations] == titles
    assert [len(one["mapping"]) for one in conversations] == [5, 3, 2]
    for conversation in conversations:
        root, *said = nodes(conversation)
        assert root["message"] is None
        assert isinstance(conversation["create_time"], float)
        assert conversation["id"] == conversation["conversation_id"]
        # Open WebUI takes them in this order, and wants the last one without children.
        assert [*conversation["mapping"].values()] == [root, *said]
        assert said[-1]["children"] == []
        for node in said:
            message = node["message"]
            assert message["author"]["role"] in ("user", "assistant")
            assert message["content"]["content_type"] == "text"
            [text] = message["content"]["parts"]
            assert text
            assert isinstance(message["metadata"], dict), "LibreChat looks for model_slug in it"


def test_every_message_is_in_one_conversation(export: Export, files: dict[str, bytes]) -> None:
    said = [
        (node["message"]["id"], node["message"]["content"]["parts"], node["message"]["create_time"])
        for conversation in json.loads(files["conversations.json"])
        for node in nodes(conversation)[1:]
    ]

    assert sorted(said) == sorted(
        (one["event_id"], [one["text"]], datetime.fromisoformat(one["said_at"]).timestamp())
        for one in export.document["tables"]["turn"]
    )


def test_the_readme_names_every_file(files: dict[str, bytes]) -> None:
    readme = files["README.txt"].decode()

    assert [name for name in files if name != "README.txt" and f"\n{name}" not in readme] == []


async def test_a_vault_of_nobodys_words_is_exported_as_well(tmp_path: Path) -> None:
    async with storage_in(tmp_path) as storage, storage.vaults.open(ANN) as vault:
        packed = (await export_of(storage, vault)).as_zip()

    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        assert json.loads(archive.read("conversations.json")) == []
        assert json.loads(archive.read("memories.json")) == []
        assert archive.read("messages.jsonl") == b""
