"""What goes out, as event content."""

import json

import pytest

from bot.matrix.content import message
from bot.messages import Attachment, Outgoing

ANSWER = Outgoing("!room", "Hello **you**", "t", generated=True)


def test_an_answer_is_a_text_marked_as_made_by_a_model() -> None:
    assert message(ANSWER) == {
        "msgtype": "m.text",
        "body": "Hello **you**",
        "format": "org.matrix.custom.html",
        "formatted_body": "Hello <strong>you</strong>",
        "org.confidant.ai": True,
        "m.mentions": {},
    }


def test_what_the_bot_says_itself_is_a_notice() -> None:
    assert message(Outgoing("!room", "Hello", "t")) == {
        "msgtype": "m.notice",
        "body": "Hello",
        "org.confidant.ai": False,
        "m.mentions": {},
    }


def test_exactly_the_mentioned_are_notified() -> None:
    mentioning = Outgoing("!room", "Hello @room", "t", mention="@ann:b")

    assert message(mentioning)["m.mentions"] == {"user_ids": ["@ann:b"]}
    assert "@room" not in message(mentioning)["body"]


def test_fields_for_machines_are_added_and_overrule_nothing() -> None:
    fields = {"org.confidant.audit": {"seq": 1}, "body": "forged", "m.mentions": {"room": True}}

    content = message(Outgoing("!room", "Hello", "t", fields=fields))

    assert content["org.confidant.audit"] == {"seq": 1}
    assert (content["body"], content["m.mentions"]) == ("Hello", {})


def test_a_live_message_says_that_more_will_come() -> None:
    assert message(Outgoing("!room", "Hel", "t", live=True))["org.matrix.msc4357.live"] == {}


def test_an_edit_carries_the_new_content_and_notifies_nobody() -> None:
    edit = Outgoing("!room", "*new*", "t", generated=True, replaces="$1", mention="@ann:b")

    content = message(edit)

    assert content["m.relates_to"] == {"rel_type": "m.replace", "event_id": "$1"}
    assert content["body"] == "* *new*"
    assert content["m.mentions"] == {}
    assert content["m.new_content"] == {
        "msgtype": "m.text",
        "body": "*new*",
        "format": "org.matrix.custom.html",
        "formatted_body": "<em>new</em>",
        "org.confidant.ai": True,
        "m.mentions": {"user_ids": ["@ann:b"]},
    }


def test_replies_and_threads_say_what_they_belong_to() -> None:
    reply = message(Outgoing("!room", "x", "t", reply_to="$1"))
    in_thread = message(Outgoing("!room", "x", "t", thread_id="$root"))
    both = message(Outgoing("!room", "x", "t", thread_id="$root", reply_to="$1"))

    answered = {"m.in_reply_to": {"event_id": "$1"}}
    thread = {"rel_type": "m.thread", "event_id": "$root"}
    assert reply["m.relates_to"] == answered
    assert in_thread["m.relates_to"] == {
        **thread,
        "is_falling_back": True,
        "m.in_reply_to": {"event_id": "$root"},
    }
    assert both["m.relates_to"] == {**thread, "is_falling_back": False, **answered}


def test_a_file_names_itself_and_where_its_ciphertext_lies() -> None:
    file = Attachment("export.json", "application/json", b"{}")
    place = {"url": "mxc://b/1", "v": "v2"}

    content = message(Outgoing("!room", "", "t", attachment=file), place)
    captioned = message(Outgoing("!room", "Yours", "t", attachment=file), place)

    assert content == {
        "msgtype": "m.file",
        "body": "export.json",
        "filename": "export.json",
        "info": {"mimetype": "application/json", "size": 2},
        "file": place,
        "org.confidant.ai": False,
        "m.mentions": {},
    }
    assert (captioned["body"], captioned["filename"]) == ("Yours", "export.json")


@pytest.mark.parametrize("replaces", [None, "$1"])
@pytest.mark.parametrize("letter", ["x", "**é** ", "- 𝄞\n"])
def test_a_part_of_the_largest_size_fits_into_an_event(letter: str, replaces: str | None) -> None:
    text = (letter * 24_000).encode()[:24_000].decode(errors="ignore")

    content = message(Outgoing("!room", text, "t", generated=True, replaces=replaces))

    new = content.get("m.new_content", content)
    assert new["body"] == text.strip() or new["body"] == text
    assert len(json.dumps(content, ensure_ascii=False).encode()) < 48_000


@pytest.mark.parametrize(
    ("question", "linked"),
    [("what is a cat?", False), ("is https://example.org/cats any good?", True)],
)
def test_a_model_can_link_only_what_the_person_mentioned(question: str, *, linked: bool) -> None:
    answer = Outgoing(
        "!r",
        "See [here](https://example.org/cats?q=secret).",
        "txn",
        generated=True,
        question=question,
    )

    said = message(answer)

    assert ('href="https://example.org' in said.get("formatted_body", "")) is linked
    assert ("https://example.org" in said["body"]) is linked


def test_a_notice_links_to_matrix_and_to_nothing_that_a_memory_may_hold() -> None:
    words = "[source](https://matrix.to/#/!r/$e) [here](https://evil.example/)"

    repeated = message(Outgoing("!r", words, "t", repeats=True))["formatted_body"]
    our_own = message(Outgoing("!r", "Ask jane@example.org.", "t"))["body"]

    assert 'href="https://matrix.to/' in repeated
    assert "evil.example/" not in repeated
    assert our_own == "Ask jane@example.org."
