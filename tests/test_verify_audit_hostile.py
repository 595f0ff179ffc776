"""The standalone verifier proves nothing that it did not check, whatever it is given."""

import asyncio
import base64
import json
from typing import Any

import pytest
from Crypto.Signature import eddsa

from storage.checkpoints import HeadKey, verifier_key
from storage.merkle import root_of
from tests.outsider import Outsider, head, leaves, proofs
from tests.place import KEY, Output, Place


def test_what_no_head_vouches_for_is_not_proved(
    place: Place, capsys: Output, outsider: Outsider
) -> None:
    place.witnessed(4, every=2)
    entries = place.exported(capsys)
    nothing = KEY.sign(0, root_of([])).note
    outsider.heads.write_text("no head here — none at all", "utf-8")

    assert outsider.takes(entries) == (1, "NOT PROVED: no signed head of any entry")
    assert outsider.takes([]) == (1, "NOT PROVED: no signed head of any entry")
    assert outsider.takes([*entries, head(nothing)])[0] == 1
    assert outsider.takes([head(nothing)]) == (
        0,
        "INTACT: 0 entries, of which the first 0 are as 1 signed heads say",
    )
    for extra in ("", "no head here"):
        outsider.heads.write_text(extra, "utf-8")
        assert outsider.takes(place.exported(capsys, "--heads"), outsider.heads) == (
            1,
            f"NOT PROVED: no head in {outsider.heads}",
        )
    outsider.log.write_text("", "utf-8")
    assert outsider.verify("nonsense", outsider.log)[0] == 1


def _shown(note: str) -> list[str]:
    """A head as people hand it on."""
    lines = note.splitlines()
    event = {"body": note, "formatted_body": f"<pre><code>{note}</code></pre>"}
    return [
        note,
        note.replace("\n\n", "\n"),
        note.replace("\n\n", "\n\u00a0\n"),
        note.replace("\n", "\r\n"),
        *("".join(f"{quote}{line}\n" for line in lines) for quote in ("   ", "> ", "> > ")),
        "".join(f"{line} \n" for line in lines),
        json.dumps({"audit_head": note, "more": 1}, indent=1),
        json.dumps({"a": [note]}, ensure_ascii=False),
        json.dumps({"content": event}),
    ]


@pytest.mark.parametrize("form", range(11))
def test_no_head_is_overlooked_however_it_is_handed_on(
    place: Place, capsys: Output, outsider: Outsider, form: int
) -> None:
    place.witnessed(2, every=1)
    events = place.exported(capsys, "--heads")
    good, other = (KEY.sign(2, root) for root in (root_of(leaves(events[:2])), bytes(32)))
    outsider.heads.write_text(f"seen:\n\n{good.note}\n{_shown(good.note)[form]}", "utf-8")
    assert outsider.takes(events, outsider.heads)[0] == 0
    outsider.heads.write_text(f"seen:\n\n{good.note}\n{_shown(other.note)[form]}", "utf-8")

    assert outsider.takes(events, outsider.heads) == (
        1,
        "NOT PROVED: the first 2 entries are not those of a signed head",
    )


def test_what_stands_around_an_entry_is_compared_with_it(
    place: Place, capsys: Output, outsider: Outsider
) -> None:
    place.witnessed(2, every=2)
    first, *more = place.exported(capsys, "--heads")
    lies = {
        "type": "org.confidant.vault.destroyed",
        "time": "2020-01-01T00:00:00Z",
        "id": "77",
        "source": "org.confidant.audit/another",
        "specversion": "2.0",
        "datacontenttype": "text/html",
        "actor": "@eve:elsewhere.org",
        "subject": "fox-31",
    }

    assert outsider.takes([first, *more])[0] == 0
    for name, lie in lies.items():
        assert outsider.takes([{**first, name: lie}, *more]) == (
            1,
            "NOT PROVED: entry 1 is not as recorded",
        )
        assert outsider.takes([first, *more[:-1], {**more[-1], name: lie}]) == (
            1,
            "NOT PROVED: entry checkpoint-2 is not as recorded",
        )


def test_nothing_is_added_to_an_entry_that_no_head_covers(
    place: Place, capsys: Output, outsider: Outsider
) -> None:
    place.witnessed(1, every=1)
    place.fill(1)
    first, last, signed = place.exported(capsys, "--heads")
    data = {"actor": "@eve:elsewhere.org", **last["data"]}

    assert outsider.takes([first, last, signed])[0] == 0
    assert outsider.takes([first, {**last, "data": data}, signed])[0] == 1


def test_an_empty_key_is_not_taken_for_none(place: Place, outsider: Outsider) -> None:
    [file] = asyncio.run(proofs(place, 1))
    outsider.proof.write_text(json.dumps(file), "utf-8")

    assert outsider.verify("--proof", outsider.proof)[0] == 0
    code, said = outsider.verify("--proof", outsider.proof, "")
    assert (code, said[:11]) == (1, "NOT PROVED:")


MANGLED = {
    "its end cut off": lambda note: note.split("\n\n")[0],
    "its root cut": lambda note: note.replace("=\n", "\n", 1),
    "its signature cut": lambda note: note[:-9],
    "its dash lost": lambda note: note.replace("— ", ""),
    "its number split": lambda note: note.replace("\n2\n", "\n2 0\n"),
}


@pytest.mark.parametrize("how", MANGLED)
def test_a_mangled_head_beside_a_good_one_is_not_passed_over(
    place: Place, capsys: Output, outsider: Outsider, how: str
) -> None:
    old, new = place.witnessed(2, every=1)
    events = place.exported(capsys)
    outsider.heads.write_text(f"{old}\n\n{new}", "utf-8")
    assert outsider.takes(events, outsider.heads)[0] == 0

    for heads in (f"{old}\n{MANGLED[how](new)}", f"{MANGLED[how](new)}\n{old}"):
        outsider.heads.write_text(heads, "utf-8")
        code, said = outsider.takes(events, outsider.heads)
        assert (code, said[:11]) == (1, "NOT PROVED:")


def test_a_head_whose_dash_a_mailer_changed_is_read_all_the_same(
    place: Place, capsys: Output, outsider: Outsider
) -> None:
    old, new = place.witnessed(2, every=1)
    events = place.exported(capsys)
    outsider.heads.write_text(f"{old}\n{new.replace('—', '--')}", "utf-8")

    assert outsider.takes(events, outsider.heads)[0] == 0
    assert outsider.takes(events[:1], outsider.heads) == (
        1,
        "NOT PROVED: a head is of 2 entries, and there are 1",
    )


@pytest.mark.parametrize("data", [None, [], [{"seq": 2}], "x", 1, {}])
def test_no_line_is_passed_over(
    place: Place, capsys: Output, outsider: Outsider, data: object
) -> None:
    place.witnessed(2, every=2)
    first, *more = place.exported(capsys, "--heads")

    for line in ({"data": data}, {**first, "id": "2", "data": data}, {**more[-1], "data": data}):
        code, said = outsider.takes([first, line, *more])
        assert (code, said[:11]) == (1, "NOT PROVED:")
        assert "Traceback" not in said


def test_a_name_that_stands_twice_is_refused(
    place: Place, capsys: Output, outsider: Outsider
) -> None:
    [file] = asyncio.run(proofs(place, 1))
    events = place.exported(capsys, "--heads")
    twice = (1, "NOT PROVED: a name twice in JSON")
    lie = json.dumps({**file["entry"], "action": "memory.deleted"})
    outsider.proof.write_text(f'{{"entry": {lie},' + json.dumps(file)[1:], "utf-8")
    lines = [f'{{"type": "a lie",{json.dumps(event)[1:]}\n' for event in events]
    outsider.log.write_text("".join(lines), "utf-8")

    assert outsider.verify("--proof", outsider.proof, KEY.verifier_key) == twice
    assert outsider.verify(KEY.verifier_key, outsider.log) == twice


def test_a_key_shows_every_character_and_fits_its_id(place: Place, outsider: Outsider) -> None:
    [file] = asyncio.run(proofs(place, 1))
    name, key_id, public = KEY.verifier_key.split("+", 2)
    false = [
        f"{name}+{key_id}+\x1b^{public}\x1b",
        f"{name}+00000000+{public}",
        f"{name}+\x1b[8C+{public}",
    ]
    for key in false:
        outsider.proof.write_text(json.dumps({**file, "key": key}), "utf-8")
        assert outsider.verify("--proof", outsider.proof)[0] == 1
    odd = _signed_as("log\x1b[2K\u202e/x", file)
    outsider.proof.write_text(json.dumps(odd), "utf-8")

    code, said = outsider.verify("--proof", outsider.proof)

    assert code == 0
    assert "\\x1b[2K\\u202e" in said
    assert said.replace("\n", "").isprintable()


def test_the_id_of_the_key_in_a_signature_is_checked(place: Place, outsider: Outsider) -> None:
    [file] = asyncio.run(proofs(place, 1))
    start, _, encoded = file["head"].rpartition(" ")
    signature = b"\0\0\0\0" + base64.b64decode(encoded)[4:]
    note = f"{start} {base64.b64encode(signature).decode()}\n"
    outsider.proof.write_text(json.dumps({**file, "head": note}), "utf-8")

    assert outsider.verify("--proof", outsider.proof) == (
        1,
        "NOT PROVED: a head is of another log than the key",
    )
    other = HeadKey(bytes(32)).sign(0, root_of([])).note
    outsider.heads.write_text(other, "utf-8")
    assert outsider.takes([], outsider.heads) == (
        1,
        "NOT PROVED: a head is of another log than the key",
    )


HOSTILE: list[Any] = [None, [], "", 1, {}, "\x1b", [[]], {"entry": []}]


@pytest.mark.parametrize("name", [None, "entry", "salt", "seq", "path", "head", "key"])
def test_a_hostile_proof_is_no_traceback(
    place: Place, outsider: Outsider, name: str | None
) -> None:
    [file] = asyncio.run(proofs(place, 1))
    by_name: dict[str, tuple[Any, ...]] = {
        "path": ([], "", {}),
        "seq": (1,),
        "key": (None, [], "", {}),
    }
    right = by_name.get(name or "", ())
    for value in [one for one in HOSTILE if one not in right]:
        outsider.proof.write_text(json.dumps(value if name is None else {**file, name: value}))
        code, said = outsider.verify("--proof", outsider.proof)
        assert (code, said[:11]) == (1, "NOT PROVED:"), value
        assert "Traceback" not in said
    outsider.proof.write_text('{"a":' * 100_000, "utf-8")
    assert outsider.verify("--proof", outsider.proof)[1].startswith("NOT PROVED:")


def _signed_as(name: str, file: dict[str, Any]) -> dict[str, Any]:
    """The proof, with the head signed by a key that calls itself something."""
    private = eddsa.import_private_key(bytes(32))
    public = private.public_key().export_key(format="raw")
    key = verifier_key(name, public)
    text = "\n".join([name, *file["head"].split("\n")[1:3], ""])
    signature = bytes.fromhex(key.split("+")[1])
    signature += eddsa.new(private, "rfc8032").sign(text.encode())
    note = f"{text}\n— {name} {base64.b64encode(signature).decode()}\n"
    return {**file, "head": note, "key": key}
