"""ChatGPT's conversations: of each the branch that was shown, in words, and what was left out."""

import json
from typing import Any

import pytest

from bot.archive.left_out import LeftOut
from bot.archive.reading import Brought, read

BEGUN = 1_700_000_000.0


def message(name: str, role: str, *parts: object, **other: Any) -> dict[str, Any]:
    return {
        "id": name,
        "author": {"role": role, "name": None, "metadata": {}},
        "create_time": BEGUN + 60,
        "content": {"content_type": "text", "parts": list(parts)},
        "weight": 1.0,
        "recipient": "all",
        "metadata": {},
        **other,
    }


def chain(*messages: dict[str, Any] | None, name: str = "c1", **other: Any) -> dict[str, Any]:
    """A conversation without branches, beginning with the empty node that each of them has."""
    mapping: dict[str, Any] = {"root": {"id": "root", "message": None, "parent": None}}
    before = "root"
    for number, one in enumerate(messages):
        mapping[f"n{number}"] = {"id": f"n{number}", "message": one, "parent": before}
        before = f"n{number}"
    whole = {"title": "Tea", "create_time": BEGUN, "mapping": mapping, "current_node": before}
    return {**whole, "conversation_id": name, "id": name, **other}


def brought(*conversations: Any) -> Brought:
    return read(json.dumps(list(conversations)).encode())


def said(*conversations: Any) -> list[tuple[str, str]]:
    return [(row["role"], row["text"]) for row in brought(*conversations).tables["turn"]]


def test_questions_and_answers_become_messages_of_their_conversation() -> None:
    asked = message("m1", "user", "How is tea made?")
    answered = message("m2", "assistant", "With water.", metadata={"model_slug": "gpt-4o"})

    [question, answer] = brought(chain(asked, answered)).tables["turn"]

    assert (question["role"], question["text"]) == ("user", "How is tea made?")
    assert question["event_id"] == "import chatgpt m1"
    assert question["room_id"] == answer["room_id"] == "import c1"
    assert question["said_at"] == "2023-11-14T22:14:20.000000+00:00"
    assert (answer["role"], answer["model"]) == ("assistant", "gpt-4o")


def test_of_a_tree_the_branch_that_was_shown_is_taken() -> None:
    tree = chain(message("m1", "user", "first try"), message("m2", "assistant", "answer to it"))
    edited = {"message": message("m3", "user", "second try"), "parent": "root"}
    tree["mapping"]["n3"] = edited
    tree["current_node"] = "n3"

    assert said(tree) == [("user", "second try")]


@pytest.mark.parametrize("end", [None, 7, "nowhere"])
def test_without_a_current_node_the_branch_of_the_last_one_is_taken(end: object) -> None:
    tree = chain(message("m1", "user", "a"), message("m2", "assistant", "b"), current_node=end)

    assert said(tree) == [("user", "a"), ("assistant", "b")]


def test_a_tree_that_bites_its_tail_ends_somewhere() -> None:
    tree = chain(message("m1", "user", "a"), message("m2", "assistant", "b"))
    tree["mapping"]["n0"]["parent"] = "n1"

    assert len(said(tree)) == 2


def test_what_is_no_word_of_either_is_counted_and_left_out() -> None:
    picture = {"content_type": "image_asset_pointer", "asset_pointer": "file-service://x"}
    spoken = {"content_type": "audio_transcription", "text": "said aloud"}
    code = message("m6", "assistant", recipient="python")
    code["content"] = {"content_type": "code", "text": "print()"}
    whole = brought(
        chain(
            message("m1", "system", "You are helpful."),
            message("m2", "user", "hidden", weight=0.0),
            message("m3", "user", picture, "look at this"),
            message("m4", "user", picture),
            message("m5", "user", spoken),
            code,
            message("m7", "tool", "output"),
            message("m8", "assistant", "search(x)", recipient="browser"),
            message("m9", "assistant", "", " "),
            message("m10", "user", "x" * 20_000),
            None,
        )
    )

    texts = [row["text"] for row in whole.tables["turn"]]
    assert texts[:2] == ["look at this", "said aloud"]
    assert [len(text) for text in texts[2:]] == [16_384]
    assert whole.left_out == {
        LeftOut.HIDDEN: 2,
        LeftOut.PICTURES: 2,
        LeftOut.TOOLS: 3,
        LeftOut.EMPTY: 1,
        LeftOut.SHORTENED: 1,
    }


def test_a_message_without_a_time_is_from_when_its_conversation_began() -> None:
    [row] = brought(chain(message("m1", "user", "a", create_time=None))).tables["turn"]

    assert row["said_at"] == "2023-11-14T22:13:20.000000+00:00"


def test_conversations_come_in_the_order_in_which_they_began_each_message_once() -> None:
    later = chain(message("m1", "user", "copied"), message("m2", "user", "new"), name="late")
    later["create_time"] = BEGUN + 999
    first = chain(message("m1", "user", "copied"), name="early")

    whole = brought(later, first)

    rooms = [(row["room_id"], row["text"]) for row in whole.tables["turn"]]
    assert rooms == [("import early", "copied"), ("import late", "new")]
    assert whole.left_out == {LeftOut.REPEATED: 1}


@pytest.mark.parametrize(
    "broken",
    [
        7,
        {},
        {"id": "c", "mapping": []},
        {"id": "c\n", "mapping": {}},
        {"id": "x" * 201, "mapping": {}},
        chain(message("", "user", "a")),
        chain(message("m1", "user", "a", create_time=None), create_time=None),
        chain(message("m1", "user", "a", create_time=-1.0), create_time=True),
        chain(message("m1", "user", "a", create_time=1e18), create_time="now"),
    ],
)
def test_what_can_not_be_read_is_counted(broken: object) -> None:
    whole = brought(broken)

    assert whole.tables["turn"] == []
    assert whole.left_out == {LeftOut.BROKEN: 1}


@pytest.mark.parametrize(
    "strange",
    [
        chain(7),  # type: ignore[arg-type]
        chain({"author": [], "content": 1}),
        chain({"author": {"role": "user"}, "content": {"content_type": "text", "parts": {}}}),
        {"id": "c", "mapping": {"a": 1, "b": {"parent": ["a"]}}, "current_node": "b"},
    ],
)
def test_strange_shapes_bring_nothing(strange: object) -> None:
    assert brought(strange).tables["turn"] == []


def test_a_list_inside_an_object_is_read_as_well() -> None:
    whole = read(json.dumps({"conversations": [chain(message("m1", "user", "a"))]}).encode())

    assert len(whole.tables["turn"]) == 1
