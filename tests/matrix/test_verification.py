"""Verifications begun by others: answered, compared by a person, and never confirmed by itself."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest
from nio import AsyncClient

from bot.errors import ConfigError, HomeserverError
from bot.matrix.events import ClearEvent
from bot.matrix.sender import Sender
from bot.matrix.trust import Trust
from bot.matrix.verification import Comparing, Verifications
from bot.messages import Comparison, Device
from tests.matrix.account import BOT, Account, OwnDevice
from tests.matrix.initiator import Initiator
from tests.matrix.people import Somebody

ALICE, ROOM = "@alice:example.org", "!chat:example.org"
FLOW = "a transaction"


class Homeserver(Account):
    """Shows Alice's keys, and keeps what goes to her devices."""

    def __init__(self) -> None:
        super().__init__()
        self.alice = Somebody(ALICE)
        self.sent: asyncio.Queue[tuple[str, dict[str, Any]]] = asyncio.Queue()
        self.signed: list[Any] = []
        self.refusal: tuple[int, Any] | None = None  # of our signatures
        self.undelivered = ""  # a kind of step

    async def request(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        if path.endswith("/keys/signatures/upload"):
            if self.refusal is not None:
                return self.refusal
            self.signed.append(json.loads(json.dumps(body)))
            return 200, {"failures": {}}
        return 200, self.alice.answer()

    async def call(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, **options: Any
    ) -> dict[str, Any]:
        kind = path.split("/sendToDevice/")[1].split("/", maxsplit=1)[0]
        if kind == self.undelivered:
            raise HomeserverError("refused")
        ((_, devices),) = (body or {})["messages"].items()
        ((_, content),) = devices.items()
        self.sent.put_nowait((kind.removeprefix("m.key.verification."), content))
        return {}


class Rooms:
    """Sends into rooms what `Sender` would."""

    def __init__(self, homeserver: Homeserver) -> None:
        self._homeserver = homeserver
        self.also_for: list[Device | None] = []

    async def verification(
        self,
        room_id: str,
        kind: str,
        content: dict[str, Any],
        *,
        transaction_id: str,
        also_for: Device | None,
    ) -> None:
        self.also_for.append(also_for)
        sent = (kind.removeprefix("m.key.verification."), content)
        self._homeserver.sent.put_nowait(sent)


class Operators:
    """Who compares: remembers what they were asked and how it ended."""

    def __init__(self) -> None:
        self.listed = {ALICE}
        self.asked: asyncio.Queue[Comparison] = asyncio.Queue()
        self.endings: asyncio.Queue[tuple[bool, str]] = asyncio.Queue()
        self.accepted: list[bool] = []
        self.accepting: list[str | None] = []  # the identity known at that moment
        self.identities = Identities()
        self.unfit: set[str] = set()  # what has no fit place to be said in

    def may(self, user_id: str) -> bool:
        return user_id in self.listed

    async def ask(self, comparison: Comparison) -> None:
        self._check("ask")
        self.asked.put_nowait(comparison)

    async def accepts(self, comparison: Comparison) -> None:
        self.accepting.append(self.identities.known)

    async def ended(
        self, comparison: Comparison, *, verified: bool, reason: str, accepted: bool
    ) -> None:
        self.accepted.append(accepted)
        self.endings.put_nowait((verified, reason))
        self._check("ended")

    def _check(self, what: str) -> None:
        if what in self.unfit:
            raise ConfigError("audit.room: people come into that room without an invitation")


class Identities:
    """Knows everybody by one key, or nobody."""

    known: str | None = None

    async def identity(self, user_id: str) -> str | None:
        return self.known

    async def remember_identity(self, user_id: str, master_key: str) -> None:
        return

    async def replace_identity(self, user_id: str, master_key: str) -> None:
        self.known = master_key


class Scene:
    """Alice's client and the bot, between devices."""

    def __init__(self, folder: Path) -> None:
        self.homeserver = Homeserver()
        self.device = OwnDevice(folder, self.homeserver)
        client = cast(AsyncClient, self.device.open.guard.client)
        self.identities, self.rooms = Identities(), Rooms(self.homeserver)
        trust = Trust(
            client, self.homeserver, self.identities, share_keys_with="cross-signed", own={}
        )
        sender = cast(Sender, self.rooms)
        self.verifications = Verifications(self.device.open, sender, trust)
        self.operators = Operators()
        self.operators.identities = self.identities
        somebody = self.homeserver.alice
        self.keys = {
            "ed25519:PHONE": somebody.device.keys.ed25519,
            f"ed25519:{somebody.identity.master.public}": somebody.identity.master.public,
        }
        self.begin()

    def begin(self) -> None:
        """Be a client that verifies for the first time."""
        self.client = Initiator(ALICE, "PHONE", self.keys)
        self.client.start["transaction_id"] = FLOW

    def says(self, kind: str, content: dict[str, Any], sender: str = ALICE) -> None:
        """A to-device message of somebody's."""
        content = {"transaction_id": FLOW, **content}
        event = {"type": f"m.key.verification.{kind}", "sender": sender, "content": content}
        self.device.open.guard.receive_to_device([event])

    def asks(self, sender: str = ALICE, age: float = 0.0, **more: Any) -> None:
        when = int((time.time() - age) * 1000)
        said = {"from_device": "PHONE", "methods": ["m.sas.v1"], "timestamp": when}
        self.says("request", said | more, sender)

    async def hears(self, kind: str) -> dict[str, Any]:
        """The next thing that the bot sends, which is of this kind."""
        async with asyncio.timeout(10):
            found, content = await self.homeserver.sent.get()
        assert found == kind, (found, content)
        return content

    async def silent(self) -> bool:
        """Whether the bot has sent nothing; a request that it answers comes behind all else."""
        self.operators.listed.add("@probe:example.org")
        self.says(
            "request",
            {
                "transaction_id": "probe",
                "from_device": "PROBE",
                "methods": ["m.sas.v1"],
                "timestamp": int(time.time() * 1000),
            },
            "@probe:example.org",
        )
        async with asyncio.timeout(10):
            _, content = await self.homeserver.sent.get()
        return bool(content["transaction_id"] == "probe")

    async def shown(self) -> Comparison:
        """Go on until the operators are asked."""
        self.asks()
        await self.hears("ready")
        self.says("start", self.client.start)
        self.says("key", self.client.accepted(await self.hears("accept")))
        numbers = self.client.key(await self.hears("key"), BOT, "BOTDEVICE", FLOW)
        async with asyncio.timeout(10):
            comparison = await self.operators.asked.get()
        assert tuple(numbers[7:]) == comparison.numbers
        return comparison

    def vouches(self) -> None:
        self.says("mac", self.client.mac(BOT, "BOTDEVICE", FLOW))


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    scene = Scene(tmp_path)
    yield scene
    scene.device.close()


@asynccontextmanager
async def running(scene: Scene) -> AsyncIterator[None]:
    task = asyncio.create_task(scene.verifications.run(scene.operators))
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@pytest.mark.parametrize("first", ["the operator", "alice"])
async def test_both_sides_vouch_once_an_operator_has_compared(scene: Scene, first: str) -> None:
    async with running(scene):
        comparison = await scene.shown()
        if first == "alice":
            scene.vouches()
        assert await scene.verifications.compared(comparison.number, same=True)
        if first != "alice":
            scene.vouches()
        own = scene.device.open.own.keys
        master = scene.device.identity.master.public
        ours = {"ed25519:BOTDEVICE": own.ed25519, f"ed25519:{master}": master}
        scene.client.check(await scene.hears("mac"), BOT, "BOTDEVICE", FLOW, ours)
        await scene.hears("done")
        ending = await scene.operators.endings.get()

    [signed] = scene.homeserver.signed
    theirs = scene.homeserver.alice.identity.master.public
    by = f"ed25519:{scene.device.identity.user_signing.public}"
    assert ending == (True, "")
    assert list(signed[ALICE][theirs]["signatures"][BOT]) == [by]


async def test_it_is_never_confirmed_without_an_operator(scene: Scene) -> None:
    async with running(scene):
        comparison = await scene.shown()
        scene.vouches()
        scene.says("done", {})
        assert not await scene.verifications.compared(comparison.number + 1, same=True)

        assert await scene.silent()
    assert scene.homeserver.signed == []


async def test_a_mismatch_ends_it(scene: Scene) -> None:
    async with running(scene):
        comparison = await scene.shown()
        assert await scene.verifications.compared(comparison.number, same=False)
        cancelled = await scene.hears("cancel")
        ending = await scene.operators.endings.get()
        late = await scene.verifications.compared(comparison.number, same=True)

        assert await scene.silent()
    assert not late, "it has ended"
    assert cancelled["code"] == "m.mismatched_sas"
    assert ending == (False, "The emoji are not the same.")


async def test_keys_that_are_not_what_the_homeserver_shows_end_it(scene: Scene) -> None:
    scene.client.keys["ed25519:PHONE"] = Somebody(ALICE).device.keys.ed25519
    async with running(scene):
        comparison = await scene.shown()
        scene.vouches()
        cancelled = await scene.hears("cancel")
        assert not await scene.verifications.compared(comparison.number, same=True)

        assert await scene.silent()
    assert cancelled["code"] == "m.key_mismatch"
    assert scene.homeserver.signed == []


async def test_who_may_not_and_what_is_old_or_unknown_gets_no_answer(scene: Scene) -> None:
    async with running(scene):
        scene.asks(sender="@stranger:example.org")
        scene.asks(age=3600)
        scene.asks(timestamp=10**400)
        scene.asks(methods=["m.qr_code.show.v1"])
        scene.asks(from_device=None)
        scene.asks(sender=BOT)
        for kind in ("start", "key", "mac", "done", "cancel", "nonsense"):
            scene.says(kind, {})
        scene.device.open.guard.receive_to_device(
            [{"type": "m.key.verification.request"}, {"type": "m.key.verification.", "content": 1}]
        )

        assert await scene.silent()


async def test_nobody_else_takes_part_in_it(scene: Scene) -> None:
    async with running(scene):
        scene.asks()
        await scene.hears("ready")
        scene.says("start", scene.client.start, "@mallory:example.org")

        assert await scene.silent()


@pytest.mark.parametrize("kind", ["key", "mac", "nonsense"])
async def test_a_step_out_of_turn_ends_it(scene: Scene, kind: str) -> None:
    async with running(scene):
        scene.asks()
        await scene.hears("ready")
        scene.says(kind, {"key": "A" * 43})

        assert (await scene.hears("cancel"))["code"] == "m.unexpected_message"


async def test_a_device_that_the_homeserver_does_not_show_is_refused(scene: Scene) -> None:
    async with running(scene):
        scene.asks(from_device="GHOST")
        await scene.hears("ready")
        scene.says("start", scene.client.start)

        assert (await scene.hears("cancel"))["code"] == "m.key_mismatch"


async def test_a_second_request_of_the_same_person_ends_the_first(scene: Scene) -> None:
    async with running(scene):
        scene.asks()
        first = await scene.hears("ready")
        scene.asks(transaction_id="another")
        cancelled, second = await scene.hears("cancel"), await scene.hears("ready")

    assert first["transaction_id"] == cancelled["transaction_id"] == FLOW
    assert second["transaction_id"] == "another"


async def test_another_client_of_the_bots_account_that_answers_has_it(scene: Scene) -> None:
    async with running(scene):
        scene.asks()
        await scene.hears("ready")
        scene.says("ready", {"from_device": "ELEMENT"}, BOT)
        scene.says("start", scene.client.start)

        assert await scene.silent()


async def test_the_person_can_end_it_and_the_operator_hears_so(scene: Scene) -> None:
    async with running(scene):
        await scene.shown()
        scene.says("cancel", {"code": "m.user", "reason": "# not shown"})
        async with asyncio.timeout(10):
            ending = await scene.operators.endings.get()

    assert ending == (False, "they ended it (m.user)")


async def test_it_ends_when_it_takes_too_long(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(scene):
        await scene.shown()
        now = time.monotonic()
        monkeypatch.setattr("bot.matrix.verification.time.monotonic", lambda: now + 601)
        scene.says("nonsense", {"transaction_id": "wakes it"})

        assert (await scene.hears("cancel"))["code"] == "m.timeout"


async def test_in_a_room_each_step_refers_to_the_request(scene: Scene) -> None:
    def event(event_id: str, kind: str, content: dict[str, Any]) -> ClearEvent:
        return ClearEvent(event_id, ROOM, ALICE, kind, datetime.now(UTC), True, content)

    said = {"msgtype": "m.key.verification.request", "to": BOT, "from_device": "PHONE"}
    asked = event("$asked", "m.room.message", {**said, "methods": ["m.sas.v1"]})
    to_others = {**said, "to": "@carol:example.org", "methods": ["m.sas.v1"]}
    relation = {"m.relates_to": {"rel_type": "m.reference", "event_id": "$asked"}}
    async with running(scene):
        scene.verifications.watch(event("$other", "m.room.message", to_others))
        scene.verifications.watch(asked)
        ready = await scene.hears("ready")
        start = {**scene.client.start, **relation}
        scene.verifications.watch(event("$start", "m.key.verification.start", start))
        accept = await scene.hears("accept")

    assert ready["m.relates_to"] == accept["m.relates_to"] == relation["m.relates_to"]
    assert ready["from_device"] == "BOTDEVICE"
    assert "transaction_id" not in ready


@pytest.mark.parametrize("known", [None, "another identity"])
async def test_in_a_room_a_changed_identity_gets_the_key_of_each_step(
    scene: Scene, known: str | None
) -> None:
    scene.identities.known = known
    said = {"msgtype": "m.key.verification.request", "to": BOT, "from_device": "PHONE"}
    content = {**said, "methods": ["m.sas.v1"]}
    when = datetime.now(UTC)
    async with running(scene):
        scene.verifications.watch(
            ClearEvent("$asked", ROOM, ALICE, "m.room.message", when, False, content)
        )
        await scene.hears("ready")

    assert scene.rooms.also_for == [Device(ALICE, "PHONE") if known else None]


@pytest.mark.parametrize("known", [None, "another identity"])
async def test_a_compared_identity_is_accepted_where_it_was_another(
    scene: Scene, known: str | None
) -> None:
    scene.identities.known = known
    async with running(scene):
        comparison = await scene.shown()
        scene.vouches()
        assert await scene.verifications.compared(comparison.number, same=True)
        async with asyncio.timeout(10):
            ending = await scene.operators.endings.get()

    assert ending == (True, "")
    assert scene.operators.accepted == [known is not None]
    assert scene.operators.accepting == ([known] if known else []), "on the record first"
    if known:
        assert scene.identities.known == scene.homeserver.alice.identity.master.public


@pytest.mark.parametrize(
    "refusal", [(403, {"errcode": "M_FORBIDDEN"}), (200, {"failures": {"@": {}}})]
)
async def test_a_signature_that_is_refused_is_told_and_what_was_compared_counts(
    scene: Scene, refusal: tuple[int, Any]
) -> None:
    scene.identities.known, scene.homeserver.refusal = "another identity", refusal
    async with running(scene):
        comparison = await scene.shown()
        scene.vouches()
        assert await scene.verifications.compared(comparison.number, same=True)
        await scene.hears("mac")
        cancelled = await scene.hears("cancel")
        async with asyncio.timeout(10):
            ending = await scene.operators.endings.get()

        assert await scene.silent(), "it has ended, and the next one is answered"
    reason = "the homeserver did not take my signature; please begin again"
    assert ending == (False, reason)
    assert (cancelled["code"], cancelled["reason"]) == ("m.user", reason)
    assert scene.operators.accepted == [True], "their memory does not wait for our signature"
    assert scene.identities.known == scene.homeserver.alice.identity.master.public


async def test_after_a_refused_signature_another_verification_mends_it(scene: Scene) -> None:
    scene.homeserver.refusal = (500, {})
    async with running(scene):
        for _ in range(2):
            comparison = await scene.shown()
            scene.vouches()
            assert await scene.verifications.compared(comparison.number, same=True)
            await scene.hears("mac")
            await scene.hears("done" if scene.homeserver.refusal is None else "cancel")
            scene.homeserver.refusal = None
            scene.begin()

    endings = [scene.operators.endings.get_nowait()[0] for _ in range(2)]
    assert endings == [False, True]
    assert len(scene.homeserver.signed) == 1


async def test_operators_hear_how_it_ended_also_where_the_person_can_not(scene: Scene) -> None:
    scene.homeserver.undelivered = "m.key.verification.done"
    async with running(scene):
        comparison = await scene.shown()
        scene.vouches()
        assert await scene.verifications.compared(comparison.number, same=True)
        async with asyncio.timeout(10):
            ending = await scene.operators.endings.get()

    assert ending == (True, "")


async def test_nobody_can_be_asked_in_an_unfit_room_and_the_person_is_told_in_their_client(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    scene.operators.unfit.add("ask")
    async with running(scene):
        scene.asks()
        await scene.hears("ready")
        scene.says("start", scene.client.start)
        scene.says("key", scene.client.accepted(await scene.hears("accept")))
        await scene.hears("key")
        cancelled = await scene.hears("cancel")

        assert await scene.silent(), "it goes on with the others"
    assert cancelled["code"] == "m.user"
    assert "can't be asked to compare" in cancelled["reason"]
    assert scene.operators.endings.empty(), "nobody had heard of it"
    assert "people come into that room without an invitation" in caplog.text


@pytest.mark.parametrize("same", [True, False])
async def test_the_person_hears_how_it_ended_also_where_the_operators_can_not(
    scene: Scene, caplog: pytest.LogCaptureFixture, *, same: bool
) -> None:
    async with running(scene):
        comparison = await scene.shown()
        scene.vouches()
        scene.operators.unfit.add("ended")
        assert await scene.verifications.compared(comparison.number, same=same)
        if same:
            await scene.hears("mac")
        await scene.hears("done" if same else "cancel")

        assert await scene.silent(), "it goes on with the others"
    assert "a verification did not go on: audit.room" in caplog.text


async def test_only_the_first_word_counts_while_it_waits_to_be_carried_out(scene: Scene) -> None:
    async with running(scene):
        comparison = await scene.shown()
        compared = scene.verifications.compared
        words = [await compared(comparison.number, same=one) for one in (False, True)]
        cancelled = await scene.hears("cancel")

        assert await scene.silent()
    assert words == [True, False]
    assert cancelled["code"] == "m.mismatched_sas"


async def test_a_word_is_not_lost_where_another_verification_can_not_be_ended(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    expire = Verifications._expire
    fails = [HomeserverError("refused")]

    async def failing(verifications: Verifications, comparing: Comparing) -> None:
        if fails and answered:
            raise fails.pop()
        await expire(verifications, comparing)

    answered: list[bool] = []
    monkeypatch.setattr(Verifications, "_expire", failing)
    async with running(scene):
        comparison = await scene.shown()
        answered.append(await scene.verifications.compared(comparison.number, same=True))

        assert await scene.hears("mac")
    assert fails == []


async def test_what_comes_of_a_word_is_not_waited_for(scene: Scene) -> None:
    async with running(scene):
        comparison = await scene.shown()
    async with asyncio.timeout(10):
        assert await scene.verifications.compared(comparison.number, same=True), "nothing runs"
