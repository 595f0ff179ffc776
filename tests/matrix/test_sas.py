"""The cryptography of emoji verification, against a second implementation of the specification."""

from typing import Any

import pytest

from bot.matrix.sas import Cancelled, Party, Sas
from tests.matrix.initiator import Initiator
from tests.matrix.people import Somebody

BOT, ALICE, TRANSACTION = "@bot:example.org", "@alice:example.org", "$request"


def party(user_id: str, device_id: str) -> Party:
    somebody = Somebody(user_id, device_id)
    keys, master = somebody.device.keys, somebody.identity.master.public
    return Party(user_id, device_id, keys.ed25519, master)


class Meeting:
    """The bot and Alice, up to where both show their emoji."""

    def __init__(self) -> None:
        self.us, self.them = party(BOT, "BOTDEVICE"), party(ALICE, "PHONE")
        self.alice = Initiator(ALICE, "PHONE", self.them.keys)
        self.sas = Sas(TRANSACTION, self.us, self.them, self.alice.start)

    def meet(self) -> list[int]:
        """What Alice's client shows: seven indexes and three numbers."""
        theirs = self.alice.accepted(self.sas.accept())
        return self.alice.key(self.sas.receive_key(theirs), BOT, "BOTDEVICE", TRANSACTION)


def test_both_sides_show_the_same_and_our_keys_are_proved() -> None:
    meeting = Meeting()

    shown = meeting.meet()

    assert tuple(shown[7:]) == meeting.sas.numbers
    assert len(meeting.sas.emoji) == 7
    meeting.alice.check(meeting.sas.mac(), BOT, "BOTDEVICE", TRANSACTION, meeting.us.keys)


def test_emoji_are_called_as_the_specification_calls_them() -> None:
    called = {name for meeting in range(200) for name in met().sas.emoji}

    assert {"🔧 Spanner", "👍 Thumbs Up", "✈️ Aeroplane"} <= called
    assert len(called) == 64


def met() -> Meeting:
    meeting = Meeting()
    meeting.meet()
    return meeting


def test_their_keys_are_proved_by_their_macs() -> None:
    meeting = Meeting()
    meeting.meet()

    proved = meeting.sas.check(meeting.alice.mac(BOT, "BOTDEVICE", TRANSACTION))

    assert proved == set(meeting.them.keys.values())


def test_a_key_of_theirs_that_we_do_not_know_proves_nothing_and_is_no_lie() -> None:
    meeting = Meeting()
    meeting.alice.keys["ed25519:OTHER"] = "a key"
    meeting.meet()

    proved = meeting.sas.check(meeting.alice.mac(BOT, "BOTDEVICE", TRANSACTION))

    assert proved == set(meeting.them.keys.values())


@pytest.mark.parametrize("lie", ["another key", "one key fewer", "none", "another transaction"])
def test_macs_that_do_not_fit_end_it(lie: str) -> None:
    meeting = Meeting()
    if lie == "another key":
        meeting.alice.keys["ed25519:PHONE"] = party(ALICE, "PHONE").ed25519
    meeting.meet()
    transaction = "$other" if lie == "another transaction" else TRANSACTION
    said: dict[str, Any] = meeting.alice.mac(BOT, "BOTDEVICE", transaction)
    if lie == "one key fewer":
        del said["mac"]["ed25519:PHONE"]
    if lie == "none":
        said = {"mac": {}, "keys": 1}

    with pytest.raises(Cancelled, match="not the keys that I see"):
        meeting.sas.check(said)


@pytest.mark.parametrize(
    "change",
    [
        {"method": "m.reciprocate.v1"},
        {"key_agreement_protocols": ["curve25519"]},
        {"hashes": []},
        {"message_authentication_codes": ["hkdf-hmac-sha256"]},
        {"short_authentication_string": ["emoji"]},
        {"short_authentication_string": None},
        {"hashes": {"sha256": 1}},
    ],
)
def test_what_we_cannot_do_is_refused(change: dict[str, Any]) -> None:
    us, them = party(BOT, "BOTDEVICE"), party(ALICE, "PHONE")
    start = Initiator(ALICE, "PHONE", them.keys).start | change

    with pytest.raises(Cancelled) as refused:
        Sas(TRANSACTION, us, them, start)

    assert refused.value.code == "m.unknown_method"


@pytest.mark.parametrize("key", ["", "AAAA", "A" * 43, "A" * 44, None, 7])
def test_a_key_that_is_none_ends_it(key: object) -> None:
    with pytest.raises(Cancelled):
        Meeting().sas.receive_key({"key": key})


def test_nothing_is_shown_or_vouched_for_before_keys_are_exchanged_and_no_key_comes_twice() -> None:
    meeting = Meeting()
    assert (meeting.sas.emoji, meeting.sas.numbers) == ((), ())
    with pytest.raises(Cancelled):
        meeting.sas.mac()
    meeting.meet()

    with pytest.raises(Cancelled, match="no time for this key"):
        meeting.sas.receive_key({"key": meeting.alice.public})


def test_a_start_without_a_canonical_form_ends_it() -> None:
    meeting = Meeting()
    meeting.alice.start["more"] = 1.5

    with pytest.raises(Cancelled, match="no canonical form"):
        meeting.sas.accept()


def test_without_emoji_there_are_still_numbers() -> None:
    us, them = party(BOT, "BOTDEVICE"), party(ALICE, "PHONE")
    alice = Initiator(ALICE, "PHONE", them.keys)
    alice.start["short_authentication_string"] = ["decimal"]
    sas = Sas(TRANSACTION, us, them, alice.start)

    accept = sas.accept()
    sas.receive_key(alice.accepted(accept))

    assert accept["short_authentication_string"] == ["decimal"]
    assert sas.emoji == ()
    assert all(1000 <= number <= 9191 for number in sas.numbers)
