"""Only what hangs on a person's own identity counts, whatever a server or a stranger sends."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.matrix.chains import Person, read_person
from bot.matrix.identity import Identity
from bot.matrix.signed_json import SigningKey, canonical, is_ed25519, is_signed, with_signature
from bot.matrix.trust import clean_response
from tests.matrix.people import Device, Json, Somebody

ALICE = "@alice:example.org"
MALLORY = "@mallory:example.org"


def test_a_device_signed_by_its_owners_identity_is_signed() -> None:
    alice = Somebody(ALICE)

    person = read_person(ALICE, alice.answer())

    assert person.master_key == alice.identity.master.public
    assert person.self_signing_key == alice.identity.self_signing.public
    assert person.signed == {"PHONE": alice.device.keys}
    assert not person.unsigned


def test_a_person_without_an_identity_has_only_unsigned_devices() -> None:
    alice = Somebody(ALICE)
    answer = alice.answer()
    del answer["master_keys"], answer["self_signing_keys"]

    assert read_person(ALICE, answer) == Person(ALICE, unsigned={"PHONE": alice.device.keys})


def test_a_ghost_device_is_unsigned_beside_a_signed_one() -> None:
    alice = Somebody(ALICE)
    ghost = Device(ALICE, "GHOST")
    alice.add(ghost, signed=False)

    person = read_person(ALICE, alice.answer())

    assert person.signed == {"PHONE": alice.device.keys}
    assert person.unsigned == {"GHOST": ghost.keys}


@pytest.mark.parametrize("value", [1.5, "\ud800", {"x": [1.0]}])
def test_an_identity_that_nobody_can_sign_is_none(value: object) -> None:
    answer = Somebody(ALICE).answer()
    answer["master_keys"][ALICE]["more"] = value

    person = read_person(ALICE, answer)

    assert (person.master_key, person.self_signing_key, person.signed) == (None, None, {})


def _signed_by_a_stranger(answer: Json, alice: Somebody) -> None:
    phone = answer["device_keys"][ALICE]["PHONE"]
    del phone["signatures"][ALICE][f"ed25519:{alice.identity.self_signing.public}"]
    answer["device_keys"][ALICE]["PHONE"] = SigningKey.generate().sign(phone, user_id=ALICE)


def _signed_by_a_stranger_under_the_right_name(answer: Json, alice: Somebody) -> None:
    signatures = answer["device_keys"][ALICE]["PHONE"]["signatures"][ALICE]
    stranger = SigningKey.generate().sign({}, user_id=ALICE)["signatures"][ALICE]
    signatures[alice.identity.self_signing.key_id] = next(iter(stranger.values()))


def _signed_for_another_user(answer: Json, alice: Somebody) -> None:
    signatures = answer["device_keys"][ALICE]["PHONE"]["signatures"]
    key_id = alice.identity.self_signing.key_id
    signatures[MALLORY] = {key_id: signatures[ALICE].pop(key_id)}


def _self_signing_key_of_somebody_else(answer: Json, alice: Somebody) -> None:
    mallory = Somebody(MALLORY)
    stolen = mallory.answer()["self_signing_keys"][MALLORY] | {"user_id": ALICE}
    answer["self_signing_keys"][ALICE] = stolen
    phone = answer["device_keys"][ALICE]["PHONE"]
    resigned = mallory.identity.self_signing.sign(phone, user_id=ALICE)
    answer["device_keys"][ALICE]["PHONE"] = resigned


def _master_key_swapped(answer: Json, alice: Somebody) -> None:
    answer["master_keys"][ALICE] = Identity.generate(ALICE).key_objects()["master"]


def _signed_by_the_master_key_alone(answer: Json, alice: Somebody) -> None:
    phone = answer["device_keys"][ALICE]["PHONE"]
    del phone["signatures"][ALICE][alice.identity.self_signing.key_id]
    answer["device_keys"][ALICE]["PHONE"] = alice.identity.master.sign(phone, user_id=ALICE)


def _master_key_as_self_signing_key(answer: Json, alice: Somebody) -> None:
    answer["self_signing_keys"][ALICE] = answer["master_keys"][ALICE]


def _user_signing_key_as_self_signing_key(answer: Json, alice: Somebody) -> None:
    answer["self_signing_keys"][ALICE] = alice.identity.key_objects()["user_signing"]
    phone = answer["device_keys"][ALICE]["PHONE"]
    signed = alice.identity.user_signing.sign(phone, user_id=ALICE)
    answer["device_keys"][ALICE]["PHONE"] = signed


def _master_key_in_another_name(answer: Json, alice: Somebody) -> None:
    answer["master_keys"][ALICE]["user_id"] = MALLORY


def _two_keys_in_one(answer: Json, alice: Somebody) -> None:
    key = SigningKey.generate()
    answer["master_keys"][ALICE]["keys"][key.key_id] = key.public


def _key_under_another_name(answer: Json, alice: Somebody) -> None:
    answer["master_keys"][ALICE]["keys"] = {"ed25519:x": alice.identity.master.public}


@pytest.mark.parametrize(
    "tamper",
    [
        _signed_by_a_stranger,
        _signed_by_a_stranger_under_the_right_name,
        _signed_for_another_user,
        _self_signing_key_of_somebody_else,
        _master_key_swapped,
        _signed_by_the_master_key_alone,
        _master_key_as_self_signing_key,
        _user_signing_key_as_self_signing_key,
        _master_key_in_another_name,
        _two_keys_in_one,
        _key_under_another_name,
    ],
)
def test_a_chain_with_a_foreign_link_holds_nothing(
    tamper: Callable[[Json, Somebody], None],
) -> None:
    alice = Somebody(ALICE)
    answer = alice.answer()

    tamper(answer, alice)

    person = read_person(ALICE, answer)
    assert not person.signed
    assert person.unsigned == {"PHONE": alice.device.keys}


def _curve_key_replaced(payload: Json) -> None:
    payload["keys"]["curve25519:PHONE"] = Device(ALICE, "X").keys.curve25519


def _another_device_id(payload: Json) -> None:
    payload["device_id"] = "TABLET"


def _another_owner(payload: Json) -> None:
    payload["user_id"] = MALLORY


def _algorithms_changed(payload: Json) -> None:
    payload["algorithms"] = []


def _key_of_33_bytes(payload: Json) -> None:
    payload["keys"]["ed25519:PHONE"] = "A" * 44  # vodozemac's binding panics on it


@pytest.mark.parametrize(
    "tamper",
    [
        _curve_key_replaced,
        _another_device_id,
        _another_owner,
        _algorithms_changed,
        _key_of_33_bytes,
    ],
)
def test_a_changed_device_is_no_device(tamper: Callable[[Json], None]) -> None:
    answer = Somebody(ALICE).answer()

    tamper(answer["device_keys"][ALICE]["PHONE"])

    person = read_person(ALICE, answer)
    assert not person.signed
    assert not person.unsigned
    assert clean_response(ALICE, answer).device_keys == {ALICE: {}}


@pytest.mark.parametrize(
    "changes",
    [
        {"user_id": MALLORY},
        {"device_id": "TABLET"},
        {"keys": {"ed25519:PHONE": None, "curve25519:PHONE": "A" * 44}},
    ],
)
def test_a_device_that_its_owner_signed_under_a_false_name_is_no_device(changes: Json) -> None:
    alice = Somebody(ALICE)
    bare = {**alice.device.payload(), **changes, "signatures": {}}
    if "keys" in changes:
        bare["keys"] = {**changes["keys"], "ed25519:PHONE": alice.device.keys.ed25519}
    own = with_signature(bare, alice.device.sign(bare), user_id=ALICE, key_id="ed25519:PHONE")
    alice.devices["PHONE"] = alice.identity.self_signing.sign(own, user_id=ALICE)

    person = read_person(ALICE, alice.answer())

    assert (person.signed, person.unsigned) == ({}, {})


def test_swapped_device_ids_are_no_devices() -> None:
    alice = Somebody(ALICE)
    alice.add(Device(ALICE, "TABLET"))
    answer = alice.answer()
    devices = answer["device_keys"][ALICE]

    devices["PHONE"], devices["TABLET"] = devices["TABLET"], devices["PHONE"]

    person = read_person(ALICE, answer)
    assert (person.signed, person.unsigned) == ({}, {})


def test_a_device_named_like_a_cross_signing_key_is_no_device() -> None:
    alice = Somebody(ALICE)
    alice.add(Device(ALICE, alice.identity.master.public))

    assert read_person(ALICE, alice.answer()).signed == {"PHONE": alice.device.keys}


def test_another_persons_answer_says_nothing_about_this_one() -> None:
    assert read_person(ALICE, Somebody(MALLORY).answer()) == Person(ALICE)


ALICE_WITH_A_PHONE = Somebody(ALICE)

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters())
    | st.sampled_from([ALICE, "PHONE", "A" * 43, "A" * 44, "\ud800", 1e400]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(json_values)
def test_no_answer_raises(answer: Any) -> None:
    assert not read_person(ALICE, answer).signed


@given(json_values, st.data())
def test_no_value_anywhere_in_an_answer_raises(value: Any, data: st.DataObject) -> None:
    alice = ALICE_WITH_A_PHONE
    answer = alice.answer()
    place: Any = answer
    while True:
        key = data.draw(st.sampled_from(sorted(place)))
        if not isinstance(place[key], dict) or not place[key] or data.draw(st.booleans()):
            place[key] = value
            break
        place = place[key]

    person = read_person(ALICE, answer)

    assert person.signed in ({}, {"PHONE": alice.device.keys})
    clean_response(ALICE, answer)


def test_a_deeply_nested_answer_does_not_raise() -> None:
    answer = Somebody(ALICE).answer()
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]

    answer["device_keys"][ALICE]["PHONE"]["algorithms"] = deep

    assert not read_person(ALICE, answer).signed


def test_a_signature_covers_all_but_signatures_and_unsigned() -> None:
    key = SigningKey.generate()
    signed = key.sign({"a": 1, "é": ["b"]}, user_id=ALICE)
    checks = {"user_id": ALICE, "key_id": key.key_id, "public": key.public}

    assert is_signed(signed | {"unsigned": {"age": 1}}, **checks)
    assert not is_signed(signed | {"a": 2}, **checks)
    assert not is_signed(signed | {"b": None}, **checks)
    assert not is_signed(signed, **checks | {"public": "A" * 44})  # a panic in vodozemac's binding


def test_canonical_json_is_that_of_the_specification() -> None:
    assert canonical({"b": "日", "a": {"z": 1, "y": [True, None]}, "signatures": {}}) == (
        '{"a":{"y":[true,null],"z":1},"b":"日"}'.encode()
    )


@pytest.mark.parametrize("value", [1.0, float("nan"), "\ud800", {"x": [1.5]}])
def test_what_has_no_canonical_form_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match=r".+"):
        canonical({"value": value})


def test_the_signature_is_ed25519_of_rfc_8032() -> None:
    seed = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")

    key = SigningKey(seed)

    assert key.public == "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo"
    assert repr(key) == "SigningKey(11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo)"


@pytest.mark.parametrize(
    "public", [None, 1, "", "A" * 42, "A" * 44, "A" * 42 + "=", "é" * 43, "-" * 43, "\ud800" * 43]
)
def test_what_is_no_key_is_none(public: object) -> None:
    assert not is_ed25519(public)
