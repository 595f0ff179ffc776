"""What operators ordered, in the words of the audit log: told to them, and to whom it concerned."""

import re
from collections.abc import Mapping

from bot.messages import Action, Facts
from bot.pseudonyms import plain

ORDERED: Mapping[str, Mapping[str, tuple[str, str]]] = {
    "rule": {
        "allow": ("You let {target} talk with me", "let {target} talk with me"),
        "block": ("You blocked {target}", "block {target}"),
        "lift": (
            "You took back what was allowed or blocked for {target}",
            "take back what was allowed or blocked for {target}",
        ),
    },
    "bot": {
        "paused": ("You paused me", "pause"),
        "resumed": ("You had me talk again", "talk again"),
    },
}
"""By a fact of the entry, its name and its value: what was done, and the same behind "tried to"."""

LOOKED_UP = (
    "Told {actor}, an operator, who is behind your pseudonym",
    "tell {actor}, an operator, who is behind your pseudonym",
)
SAID = ("by", *ORDERED)  # facts that these sentences hold


def ordered(action: str, facts: Facts) -> tuple[str, str] | None:
    """What an operator changed, if anything."""
    if action != Action.ACCESS_CHANGED:
        return None
    found = (words.get(str(facts.get(name))) for name, words in ORDERED.items())
    return next((one for one in found if one), None)


def by_order(action: str, facts: Facts) -> bool:
    """Whether an operator ordered what was done."""
    return action == Action.IDENTITY_LOOKED_UP or ordered(action, facts) is not None


def filled(sentence: str, *, actor: str, target: str, mark: str = "") -> str:
    """A sentence with the ids that it speaks of as text, between marks: nobody is notified."""
    ids = {"{actor}": actor, "{target}": target}
    return re.sub(r"\{(actor|target)\}", lambda one: f"{mark}{plain(ids[one[0]])}{mark}", sentence)
