"""`!privacy` on one page: who can read, who answers for it, what is kept: derived, not asserted."""

from bot import privacy_data, privacy_gateway, privacy_room
from bot.evidence import Observation
from bot.privacy_data import Held
from bot.privacy_room import Readers
from bot.processing import Processing


def overview(
    stated: Processing, seen: Observation, readers: Readers, held: Held, prefix: str
) -> str:
    """All of it in short, with the command that says more about each part."""
    return "\n\n".join(
        (
            privacy_room.overview(readers, prefix),
            _operator(stated),
            privacy_gateway.overview(stated, seen, prefix),
            privacy_data.overview(held, prefix),
            f"**Backups.** {privacy_data.backups(stated, held.last_backup)}",
            _questions(stated, seen, prefix),
        )
    )


def _operator(stated: Processing) -> str:
    operator = stated.operator or "has not given a name"
    jurisdiction = stated.jurisdiction or "not stated"
    return f"**Who runs me.** Operator: {operator}. Jurisdiction: {jurisdiction}."


def _questions(stated: Processing, seen: Observation, prefix: str) -> str:
    """The four questions that everybody should ask, each with the command that acts on it."""
    used = privacy_gateway.training(stated, seen)
    return (
        "**Four questions, and what you can do.**\n\n"
        "- **Is my data apart from that of others?** Yes: it lies in an encrypted file of your "
        "own, which nobody else's messages open; whoever runs me holds the key of keys. "
        f"`{prefix}privacy data`\n"
        f"- **Is it used for training?** {used.text()} `{prefix}privacy gateway`\n"
        "- **Can I see and change what is remembered?** Yes, all of it: see "
        f"`{prefix}memory`, edit `{prefix}memory edit N TEXT`, delete `{prefix}memory delete N`; "
        f"`{prefix}why` shows what an answer used.\n"
        f"- **Can I take it, and leave?** Yes: `{prefix}export` gives you everything, "
        f"`{prefix}forget everything` erases everything. Every action of mine about you is in "
        f"`{prefix}audit`."
    )
