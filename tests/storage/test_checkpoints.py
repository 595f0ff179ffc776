"""Heads are the notes that other logs write, and a changed one is signed by nobody."""

import base64
import json
import string
import time
from contextlib import suppress

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from storage.checkpoints import (
    Checkpoint,
    HeadKey,
    UnfitHead,
    notes_in,
    opened,
    parsed,
    verifier_key,
    verify,
)
from storage.errors import StorageFailure

# The example of Go's package sumdb/note, whose format signed notes have, and that of C2SP's own
# tlog-checkpoint page.
NEUMANN = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
NEUMANN_SEED = base64.b64decode("AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz")[1:]
SAID = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
)
SIGNATURE = (
    "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM="
)
SOFA = (
    "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n"
    "— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv"
    "2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n"
)
KEY = HeadKey(b"\x07" * 32)
ROOT = bytes(range(32))


def test_the_example_of_signed_notes_is_opened_and_its_key_written_as_it_is() -> None:
    public = base64.b64decode(NEUMANN.split("+", 2)[2])[1:]
    note = f"{SAID}\n— PeterNeumann {SIGNATURE}\n"

    assert verify(note, NEUMANN) == SAID
    assert verifier_key("PeterNeumann", public) == NEUMANN
    with pytest.raises(UnfitHead):
        verify(note.replace("then", "than"), NEUMANN)


def test_signing_is_that_of_the_example_but_for_the_name() -> None:
    ours = HeadKey(NEUMANN_SEED).note(SAID)

    assert base64.b64decode(ours.split()[-1])[4:] == base64.b64decode(SIGNATURE)[4:]


def test_the_example_of_checkpoints_is_read() -> None:
    checkpoint = parsed(SOFA).checkpoint

    assert (checkpoint.origin, checkpoint.size) == ("example.com/behind-the-sofa", 20852163)
    assert f"{checkpoint.text}\n" == SOFA[: SOFA.index("—")]


def test_a_head_is_opened_by_its_key_and_by_another_implementation() -> None:
    head = KEY.sign(5, ROOT)
    text, signature = head.note.split("\n\n")
    typed = base64.b64decode(KEY.verifier_key.split("+", 2)[2])
    signed = base64.b64decode(signature.split()[-1])[4:]

    assert opened(head.note, KEY.verifier_key) == Checkpoint(KEY.origin, 5, ROOT)
    Ed25519PublicKey.from_public_bytes(typed[1:]).verify(signed, f"{text}\n".encode())
    assert head == KEY.sign(5, ROOT)
    assert head.note.startswith(f"{KEY.origin}\n5\n{base64.b64encode(ROOT).decode()}\n\n— ")


def test_a_signature_of_a_witness_beside_ours_does_no_harm() -> None:
    note = KEY.sign(5, ROOT).note
    head, _, own = note.partition("\n\n")

    witnessed = f"{head}\n\n— witness.example {SIGNATURE}\n{own}"

    assert opened(witnessed, KEY.verifier_key).size == 5


@given(st.data())
def test_any_character_changed_is_found(data: st.DataObject) -> None:
    note = KEY.sign(12345, ROOT).note
    place = data.draw(st.integers(0, len(note) - 1))
    other = data.draw(st.characters(codec="utf-8").filter(lambda one: one != note[place]))

    with pytest.raises(UnfitHead):
        opened(note[:place] + other + note[place + 1 :], KEY.verifier_key)


def test_a_signature_is_written_in_one_way_only() -> None:
    """Base64 leaves two bits of the last character over, which decoding alone doesn't see."""
    note = KEY.sign(5, ROOT).note
    last = note[-3]
    alphabet = string.ascii_uppercase + string.ascii_lowercase + string.digits + "+/"
    other = alphabet[alphabet.index(last) ^ 1]

    with pytest.raises(UnfitHead):
        opened(f"{note[:-3]}{other}=\n", KEY.verifier_key)


@pytest.mark.parametrize("size", ["05", "+5", "-5", " 5", "5.0", "", "٥", "5_0"])
def test_a_size_has_one_form_only(size: str) -> None:
    text = KEY.sign(5, ROOT).checkpoint.text.replace("\n5\n", f"\n{size}\n")

    with pytest.raises(UnfitHead):
        opened(KEY.note(text), KEY.verifier_key)


def test_the_head_of_another_log_is_told_apart_from_a_forged_one() -> None:
    other = HeadKey(b"\x08" * 32)

    with pytest.raises(UnfitHead, match=f"another log \\({other.origin}\\)"):
        opened(other.sign(5, ROOT).note, KEY.verifier_key)
    with pytest.raises(UnfitHead, match="no signature"):
        forged = KEY.sign(5, ROOT).note.replace("\n5\n", "\n6\n")
        opened(forged, KEY.verifier_key)


@pytest.mark.parametrize("text", ["", "\n\n", "a\n\nb\n", "a\n5\nAA==\n\n— a AA==\n", SAID])
def test_what_is_no_head_is_no_bug(text: str) -> None:
    with pytest.raises(UnfitHead):
        opened(text, KEY.verifier_key)


def test_heads_are_found_in_what_people_copied_together() -> None:
    notes = [KEY.sign(size, ROOT).note for size in range(1, 7)]
    event = {"type": "m.room.message", "content": {"org.confidant.audit": {"head": notes[2]}}}
    copied = [
        "from the room, yesterday:",
        notes[0],
        "",
        *(f"    {line}" for line in notes[1].splitlines()),
        "bot: all is well",
        json.dumps(event),
        json.dumps({"data": f"Head:\n\n{notes[3]}"}, ensure_ascii=False),
        "{not JSON",
        notes[4].replace("\n", "\r\n"),
        notes[5].rstrip(),
    ]

    found = notes_in("\n".join(copied))

    assert sorted(found) == sorted(notes)
    assert notes_in("nothing\n\n— here\n{}\n[]") == []


def test_heads_are_found_however_they_are_quoted_and_wherever_in_json() -> None:
    note = KEY.sign(5, ROOT).note
    shown = [
        "".join(f"> {line}\n" for line in note.splitlines()),
        "".join(f"> >{line}  \r\n" for line in note.splitlines()),
        note.replace("\n\n", "\n"),
        note.replace("\n\n", "\n\u00a0\n"),
        json.dumps({"a": [[{"b": note}]], "c": 1}, indent=1),
        json.dumps([note], ensure_ascii=False),
        f"my export: {json.dumps({'audit_head': note}, indent=1)}",
        f"<pre><code>{note}</code></pre>",
    ]

    assert [notes_in(one) for one in shown] == [[note]] * len(shown)
    assert opened(notes_in(shown[0])[0], KEY.verifier_key).size == 5


def test_a_head_with_more_than_one_signature_stays_whole() -> None:
    note = KEY.sign(5, ROOT).note + HeadKey(b"\x08" * 32).note("x\n").split("\n\n")[1]

    assert notes_in(f"> {note}") == [note]
    assert opened(note, KEY.verifier_key).size == 5


@pytest.mark.parametrize("mangled", ["--", "-", ""])
def test_a_head_that_is_not_whole_is_not_passed_over(mangled: str) -> None:
    good, other = KEY.sign(5, ROOT).note, KEY.sign(6, ROOT).note
    told = f"seen:\n{good}\nand then\n{other}"
    assert notes_in(told) == [good, other]

    torn = told[: -len(other)] + other.replace("—", mangled)
    for text in (torn, json.dumps([torn]), json.dumps({"a": good}) + f"\n{torn}"):
        with pytest.raises(StorageFailure, match="not whole"):
            notes_in(text)


def test_a_hostile_file_is_read_in_no_time() -> None:
    beginning = "\n".join(KEY.sign(5, ROOT).note.split("\n")[:3])
    began = time.perf_counter()

    for text in (f"{beginning}\n" * 10_000, f"{beginning}\n" + "x\n" * 400_000, "[" * 400_000):
        with suppress(StorageFailure):
            assert notes_in(text) == []
    for depth in (500, 2_000):
        assert notes_in('{"a":' * depth + '"b"' + "}" * depth) == []

    assert time.perf_counter() - began < 5
