"""What an outgoing message looks like as event content: pure, and the same for every send."""

import json
from collections.abc import Mapping
from html import escape
from typing import Any

from bot.matrix.html import mentioned_hosts, to_body, to_html
from bot.matrix.plain_text import plain
from bot.messages import Attachment, Outgoing

AI = "org.confidant.ai"
LIVE = "org.matrix.msc4357.live"

# An event may have 65,536 bytes; Megolm and base64 make a third more of what is inside.
ROOM_FOR_CONTENT = 45_000
FALLBACK = 700  # characters of an edit repeated for clients that don't know edits

Content = dict[str, Any]


def message(outgoing: Outgoing, file: Mapping[str, Any] | None = None) -> Content:
    """The content of the event; `file` is where its attachment lies, encrypted."""
    if outgoing.attachment is not None:
        body = _file(outgoing.attachment, plain(outgoing.text), file or {})
    else:
        body = _text(outgoing)
    content = {**outgoing.fields, **body, **_marks(outgoing), "m.mentions": _mentions(outgoing)}
    if outgoing.replaces is not None:
        content = _edit(outgoing.replaces, content)
    elif relation := _relation(outgoing):
        content["m.relates_to"] = relation
    return _fitting(content)


def _text(outgoing: Outgoing) -> Content:
    hosts = _linkable(outgoing)
    body = to_body(outgoing.text, allowed_hosts=hosts)
    formatted = to_html(outgoing.text, allowed_hosts=hosts)
    said = outgoing.generated or outgoing.spoken
    content = {"msgtype": "m.text" if said else "m.notice", "body": body}
    if formatted != escape(body, quote=False):  # plain words need no second copy
        content |= {"format": "org.matrix.custom.html", "formatted_body": formatted}
    return content


def _linkable(outgoing: Outgoing) -> frozenset[str] | None:
    """Hosts that may be linked in a model's text: what the person mentioned.

    A notice that repeats such a text also links to messages. None: what we say ourselves.
    """
    if not (outgoing.generated or outgoing.repeats):
        return None
    ours = frozenset({"matrix.to"}) if outgoing.repeats else frozenset()
    return mentioned_hosts(outgoing.question) | ours


def _file(attachment: Attachment, caption: str, file: Mapping[str, Any]) -> Content:
    info = {"mimetype": attachment.content_type, "size": len(attachment.content)}
    name = plain(attachment.filename)
    return {
        "msgtype": "m.file",
        "body": caption or name,  # a body that differs from the name is a caption (Matrix 1.10)
        "filename": name,
        "info": info,
        "file": dict(file),
    }


def _marks(outgoing: Outgoing) -> Content:
    """Whether a model wrote it, for machines: said of everything that the bot itself sends."""
    marks: Content = {} if outgoing.spoken else {AI: outgoing.generated}
    return {**marks, LIVE: {}} if outgoing.live else marks


def _mentions(outgoing: Outgoing) -> Content:
    """Who is notified. Always there: without it the words of the body alone would ping people."""
    return {"user_ids": [outgoing.mention]} if outgoing.mention else {}


def _edit(event_id: str, new: Content) -> Content:
    """An edit: the new content, and its text once more for clients that don't know edits.

    The outer m.mentions names whom the edit newly notifies: nobody.
    """
    body = new["body"][:FALLBACK]
    outer = {key: value for key, value in new.items() if key not in _INNER}
    return {
        **outer,
        "body": f"* {body}" if len(body) == len(new["body"]) else f"* {body}…",
        "m.mentions": {},
        "m.new_content": new,
        "m.relates_to": {"rel_type": "m.replace", "event_id": event_id},
    }


_INNER = frozenset({"format", "formatted_body"})


def _relation(outgoing: Outgoing) -> Content:
    """Thread and reply; a message that is only in the thread points at its root for old clients."""
    answered = outgoing.reply_to or outgoing.thread_id
    if answered is None:
        return {}
    reply: Content = {"m.in_reply_to": {"event_id": answered}}
    if outgoing.thread_id is None:
        return reply
    falls_back = outgoing.reply_to is None
    thread = {"rel_type": "m.thread", "event_id": outgoing.thread_id}
    return {**thread, "is_falling_back": falls_back, **reply}


def _fitting(content: Content) -> Content:
    """Without the HTML where text and HTML together would be refused as too large."""
    if len(json.dumps(content)) <= ROOM_FOR_CONTENT:  # escaped to ASCII, as nio encrypts it
        return content
    return {
        key: _fitting_inner(value) if key == "m.new_content" else value
        for key, value in content.items()
        if key not in _INNER
    }


def _fitting_inner(content: Content) -> Content:
    return {key: value for key, value in content.items() if key not in _INNER}
