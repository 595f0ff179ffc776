"""Whatever leaves the bot pings exactly whom it means, and shows nothing that deceives."""

import json
import re
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from bot.matrix.content import message
from bot.messages import Attachment, Outgoing

DECEIVING = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufeff]"
)
PINGS = re.compile("@room", re.IGNORECASE)
SHOWN = ("body", "formatted_body", "filename")

PIECES = (
    "@room @Room @\u202eroom @ro \u202e \u2066 \u200f \x00 \x1b[31m \ud800 \ufeff om ** > # "
    "[@room](https://x.org) <b>@room</b> &#64;room @&#114;oom \\@room `@room` &#x202e; \n hello"
)
words = st.lists(st.sampled_from(PIECES.split(" ")) | st.characters(), max_size=12).map("".join)
event_ids = st.none() | st.just("$1")
files = st.none() | st.builds(Attachment, words, st.just("text/plain"), st.just(b"x"))
fields = st.dictionaries(
    st.sampled_from(["m.mentions", "body", "m.relates_to", "org.confidant.audit"]),
    st.none() | st.just({"room": True}) | st.just("@room"),
)
outgoings = st.builds(
    Outgoing,
    st.just("!room"),
    words,
    st.just("transaction"),
    generated=st.booleans(),
    spoken=st.booleans(),
    repeats=st.booleans(),
    question=words,
    reply_to=event_ids,
    thread_id=event_ids,
    mention=st.none() | st.just("@ann:b"),
    replaces=event_ids,
    live=st.booleans(),
    attachment=files,
    fields=fields,
)


@given(outgoings)
def test_every_event_says_whom_it_notifies_and_no_word_in_it_does(outgoing: Outgoing) -> None:
    content = message(outgoing, {"url": "mxc://b/1"})

    meant = {"user_ids": [outgoing.mention]} if outgoing.mention else {}
    if outgoing.replaces:  # an edit newly notifies nobody (Matrix spec, m.mentions in edits)
        assert content["m.mentions"] == {}
        assert content["m.new_content"]["m.mentions"] == meant
    else:
        assert content["m.mentions"] == meant
    json.dumps(content, ensure_ascii=False).encode()
    for text in _shown(content):
        assert not PINGS.search(text)
        assert not DECEIVING.search(text)


def _shown(content: dict[str, Any]) -> list[str]:
    """Everything in an event that a client shows as text."""
    inner = content.get("m.new_content", {})
    return [one[key] for one in (content, inner) for key in SHOWN if key in one]


@given(outgoings)
def test_every_event_says_whether_a_model_wrote_it(outgoing: Outgoing) -> None:
    content = message(outgoing, {"url": "mxc://b/1"})

    marks = [one.get("org.confidant.ai") for one in _contents(content)]
    expected = None if outgoing.spoken else outgoing.generated
    assert marks == [expected] * len(marks)
    assert len(marks) == (2 if outgoing.replaces else 1)


def _contents(content: dict[str, Any]) -> list[dict[str, Any]]:
    """An event's content and, of an edit, the new one in it."""
    return [content, *([content["m.new_content"]] if "m.new_content" in content else [])]
