"""Secret storage: the formats of the specification, and what a wrong key is told."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.errors import HomeserverError, UsageError
from bot.matrix.http import Http, RequestError
from bot.matrix.secret_storage import DEFAULT, RecoveryKey, SecretStorage, decoded

BOT = "@bot:example.org"

# From the tests of other implementations: the specification itself has no examples with numbers.
JS_SDK_RAW = bytes.fromhex("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a")
JS_SDK_WRITTEN = "EsTc LW2K PGiF wKEA 3As5 g5c4 BXwk qeeJ ZJV8 Q9fu gUMN UE4d"
RUST_WRITTEN = "EsTj 3yST y93F SLpB jJsz eAXc 2XzA ygD3 w69H fGaN TKBj jXEd"
RUST_DESCRIPTION = {
    "algorithm": "m.secret_storage.v1.aes-hmac-sha2",
    "iv": "xv5b6/p3ExEw++wTyfSHEg==",
    "mac": "ujBBbXahnTAMkmPUX2/0+VTfUh63pGyVRuBcDMgmJC8=",
}

keys = st.binary(min_size=32, max_size=32).map(RecoveryKey)


class AccountData(Http):
    """A homeserver's account data; each PUT is remembered."""

    def __init__(self) -> None:
        super().__init__("http://unused")
        self.stored: dict[str, Any] = {}
        self.puts: list[str] = []

    async def call(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, **options: Any
    ) -> dict[str, Any]:
        kind = path.rpartition("/account_data/")[2]
        if method == "PUT":
            self.puts.append(kind)
            self.stored[kind] = json.loads(json.dumps(body))
            return {}
        if kind not in self.stored:
            raise RequestError("none", status=404, errcode="M_NOT_FOUND")
        return dict(self.stored[kind])


async def filled(server: AccountData, key: RecoveryKey) -> SecretStorage:
    storage = SecretStorage(server, BOT, "a-key", key)
    await storage.describe()
    await storage.put("a.secret", "the oboe")
    await storage.offer()
    return storage


def test_a_recovery_key_is_written_as_the_specification_says() -> None:
    assert RecoveryKey(JS_SDK_RAW).written == JS_SDK_WRITTEN
    assert RecoveryKey.read(JS_SDK_WRITTEN).raw == JS_SDK_RAW


def test_the_check_that_another_implementation_made_fits_its_key_alone() -> None:
    assert RecoveryKey.read(RUST_WRITTEN).fits(RUST_DESCRIPTION)
    assert not RecoveryKey(JS_SDK_RAW).fits(RUST_DESCRIPTION)


@given(keys)
def test_what_is_written_is_read_again_with_any_spaces(key: RecoveryKey) -> None:
    for typed in (key.written, key.written.replace(" ", ""), f"\n {key.written}\t\n"):
        assert RecoveryKey.read(typed).raw == key.raw


@given(keys, st.integers(0, 47), st.sampled_from("123456789ABCDEFGHJKLMNPQRSTUVWXYZ"))
def test_one_wrong_letter_is_noticed_or_gives_another_key(
    key: RecoveryKey, place: int, letter: str
) -> None:
    letters = list(key.written.replace(" ", ""))
    letters[place] = letter
    try:
        read = RecoveryKey.read("".join(letters))
    except UsageError:
        return
    assert (read.raw == key.raw) == ("".join(letters) == key.written.replace(" ", ""))


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "   ",
        "EsTc",
        JS_SDK_WRITTEN[:-1],
        JS_SDK_WRITTEN + "1",
        "0" * 48,
        "é" * 48,
        "z" * 10_000,
    ],
)
def test_what_is_no_recovery_key_is_said_to_be_none(typed: str) -> None:
    with pytest.raises(UsageError, match="no recovery key"):
        RecoveryKey.read(typed)


@given(keys, st.text(max_size=100), st.text(max_size=20))
def test_a_secret_is_opened_under_its_own_name_by_its_own_key(
    key: RecoveryKey, secret: str, name: str
) -> None:
    sealed = key.seal(name, secret)

    assert key.unseal(name, sealed) == secret
    assert key.unseal(f"{name}x", sealed) is None
    assert RecoveryKey(bytes(32)).unseal(name, sealed) is None or key.raw == bytes(32)
    assert decoded(sealed["iv"])[8] < 0x80, "bit 63 is zero"


@pytest.mark.parametrize(
    "change",
    [
        {"ciphertext": "AAAA"},
        {"iv": "AAAA"},
        {"mac": ""},
        {"mac": None},
        {"iv": "AAAAAAAAAAAAAAAAAAAAAA", "mac": "?"},
    ],
)
def test_a_changed_secret_is_not_opened(change: Mapping[str, Any]) -> None:
    sealed = RecoveryKey(JS_SDK_RAW).seal("name", "secret") | dict(change)

    assert RecoveryKey(JS_SDK_RAW).unseal("name", sealed) is None


def test_padded_base64_of_other_clients_is_understood() -> None:
    key = RecoveryKey(JS_SDK_RAW)
    padded = {
        part: text + "=" * (-len(text) % 4) for part, text in key.seal("name", "secret").items()
    }

    assert key.unseal("name", padded) == "secret"


def test_a_description_without_a_check_is_taken_at_its_word_and_another_algorithm_is_not() -> None:
    key = RecoveryKey.generate()

    assert key.fits(key.description())
    assert key.fits({"algorithm": "m.secret_storage.v1.aes-hmac-sha2"})
    assert not key.fits({**key.description(), "algorithm": "org.example.rot13"})
    assert not key.fits({**key.description(), "iv": "AAAA"})
    assert not key.fits({})


def test_no_repr_shows_a_key() -> None:
    key = RecoveryKey.generate()

    assert key.written not in repr(key)
    assert str(key.raw) not in repr(key)


async def test_the_key_that_the_account_offers_opens_its_secrets() -> None:
    server, key = AccountData(), RecoveryKey.generate()
    await filled(server, key)

    unlocked = await SecretStorage.unlock(server, BOT, RecoveryKey.read(key.written))

    assert await unlocked.get("a.secret") == "the oboe"
    assert await unlocked.get("another.secret") is None
    assert "oboe" not in json.dumps(server.stored)


async def test_a_wrong_key_and_an_account_without_storage_are_told_apart() -> None:
    server = AccountData()
    with pytest.raises(HomeserverError, match="has no secret storage"):
        await SecretStorage.unlock(server, BOT, RecoveryKey.generate())
    await filled(server, RecoveryKey.generate())

    with pytest.raises(HomeserverError, match="does not open the secret storage of @bot:"):
        await SecretStorage.unlock(server, BOT, RecoveryKey.generate())


async def test_what_is_stored_already_is_not_stored_again() -> None:
    server, key = AccountData(), RecoveryKey.generate()
    storage = await filled(server, key)
    before = list(server.puts)

    await storage.describe()
    await storage.put("a.secret", "the oboe")
    same = list(server.puts)
    await storage.put("a.secret", "the bassoon")

    assert before == same == ["m.secret_storage.key.a-key", "a.secret", DEFAULT]
    assert server.puts == [*same, "a.secret"]
    assert await storage.get("a.secret") == "the bassoon"
