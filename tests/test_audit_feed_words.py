"""What the audit room reads: plain words for each action; what went wrong has its own lines."""

import pytest

from bot.audit_feed_words import AMISS, ORDERED, WORDS, head, line, lines
from bot.messages import Action, Outcome
from bot.pseudonyms import PICTURES, pictured
from storage.tenants import ANIMALS
from tests.audit_feeding import item, note


def test_a_burst_is_one_line_wherever_in_the_batch_its_entries_stand() -> None:
    batch = [item(0), item(1, who="owl-7"), *[item(2), item(2, "memory.used")] * 3]

    assert lines(batch).splitlines() == [
        "- 12:00 💬 4 messages answered for 🦊 fox-31 in 2 min",
        "- 12:01 💬 Message answered for 🦉 owl-7",
        "- 12:02 💡 3 memories used for 🦊 fox-31 in 1 min",
    ]


def test_a_single_entry_is_a_line_without_a_list() -> None:
    assert lines([item(3)]) == "12:03 💬 Message answered for 🦊 fox-31"


@pytest.mark.parametrize("outcome", [Outcome.DENIED, Outcome.FAILED, Outcome.INTERRUPTED])
def test_what_went_wrong_stands_out_and_is_never_folded_into_what_went_well(
    outcome: Outcome,
) -> None:
    good, bad = lines([item(1), item(1), item(2, outcome=outcome), item(3)]).splitlines()

    assert good == "- 12:01 💬 3 messages answered for 🦊 fox-31 in 2 min"
    assert "**Message not answered: " in bad
    assert bad.startswith("- 12:02 ")


def test_failures_of_the_same_kind_are_one_line_and_each_kind_has_its_own() -> None:
    refused = [
        item(seq, "message.denied", "denied", facts={"reason": why, "ms": seq})
        for seq, why in enumerate(["blocked", "quota", "blocked"])
    ]

    assert lines(refused).splitlines() == [
        "- 12:00 ⛔ **2 messages refused** for 🦊 fox-31 in 2 min · reason blocked",
        "- 12:01 ⛔ **Message refused** for 🦊 fox-31 · reason quota · ms 1".replace(
            "ms 1", "1 ms"
        ),
    ]


def test_two_different_changes_are_two_lines() -> None:
    changes = [item(1, "settings.changed", facts={"setting": one}) for one in ("mode", "digest")]

    assert lines(changes).splitlines() == [
        "- 12:01 ⚙️ Setting changed for 🦊 fox-31 · setting mode",
        "- 12:01 ⚙️ Setting changed for 🦊 fox-31 · setting digest",
    ]


@pytest.mark.parametrize("fact", ORDERED)
def test_what_an_operator_changes_is_told_as_theirs(fact: tuple[str, str]) -> None:
    change = item(1, "access.changed", facts={fact[0]: fact[1]})
    failed = item(2, "access.changed", "failed", facts={fact[0]: fact[1]})

    assert line([change]).endswith(f"{ORDERED[fact].done} by 🦊 fox-31")
    assert line([change, change]).endswith(f"{ORDERED[fact].done} by 🦊 fox-31 in 1 min")
    assert f" not {ORDERED[fact].done}: failed** by 🦊 fox-31" in line([failed])
    assert " for " not in line([change])


def test_a_change_that_is_nobodys_order_is_told_as_before() -> None:
    changed = item(1, "access.changed", facts={"identity": "changed"})

    assert line([changed]) == "12:01 🪪 Access right changed for 🦊 fox-31 · identity changed"


def test_what_waits_for_a_yes_is_not_told_as_saved() -> None:
    kept = item(1, "memory.created", facts={"approved": True})
    noted = item(1, "memory.created", facts={"by": "model", "pending": True})

    assert lines([noted, kept, kept, noted]).splitlines() == [
        "- 12:01 🧠 2 memories noted, to be asked about for 🦊 fox-31 in 1 min",
        "- 12:01 🧠 2 memories saved for 🦊 fox-31 in 1 min",
    ]


def test_facts_are_in_words() -> None:
    shared = item(1, "memory.shared", facts={"shared": True, "not_done": None, "ms": 12})

    assert line([shared]).endswith(" · shared yes · not done none · 12 ms")


@pytest.mark.parametrize("action", Action)
def test_every_action_has_an_icon_and_words_for_one_and_many(action: Action) -> None:
    said = WORDS[action]
    one, many = line([item(1, action)]), line([item(1, action)] * 3)

    assert all((said.icon, said.one, said.many, said.done))
    assert action not in one
    assert "3 " in many
    assert said.icon in one


@pytest.mark.parametrize("action", sorted(AMISS))
def test_an_action_that_is_a_failure_stands_out_by_its_name(action: Action) -> None:
    assert "**" in line([item(1, action, Outcome.FAILED)])


def test_an_action_or_an_outcome_of_a_newer_version_is_shown_as_it_is() -> None:
    assert line([item(1, "new.thing")]) == "12:01 • New.thing for 🦊 fox-31"
    assert "strange" in line([item(1, outcome="strange")])


def test_every_animal_has_a_picture_and_no_picture_is_without_an_animal() -> None:
    assert set(PICTURES) == set(ANIMALS)
    assert all(picture.strip() and not picture.isascii() for picture in PICTURES.values())


def test_whoever_has_no_pseudonym_has_no_picture() -> None:
    assert pictured("fox-31") == "🦊 fox-31"
    assert pictured("unicorn-1") == "🐾 unicorn-1"
    assert pictured("—") == "somebody"
    assert line([item(1, "bot.started", who="system")]) == "12:01 🟢 Bot started"
    assert line([item(1, "vault.destroyed", who="—")]) == "12:01 🔥 Vault destroyed for somebody"


def test_a_head_is_readable_and_stands_below_as_it_can_be_checked() -> None:
    text = head(1234, bytes.fromhex("3f9a1b2c" * 8), note(1234))

    assert text.splitlines()[0] == "🌲 Head of the log: 1,234 entries, root 3f9a1b2c…"
    assert note(1234).rstrip() in text
    assert head(1, b"\0" * 32, note(1)).startswith("🌲 Head of the log: 1 entry,")
