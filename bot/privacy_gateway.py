"""What becomes of a prompt at the model's gateway: each statement with what it is worth."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

from bot.evidence import Level, Observation
from bot.processing import Processing

LEVELS: Mapping[Level, str] = MappingProxyType(
    {
        Level.PROVED: "I see it myself.",
        Level.ENFORCED: "I demand it with each request, and the gateway refuses where it can't.",
        Level.PROMISED: "somebody's word, which I can't check.",
        Level.UNKNOWN: "nobody has said, or nobody can.",
    }
)
_FILTERS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "openrouter": ("OpenRouter", "openrouter.ai"),
        "vercel": ("Vercel's gateway", "ai-gateway.vercel.sh"),
    }
)
"""The gateways that choose among providers by what a request demands, and where they are."""


@dataclass(frozen=True, slots=True)
class Statement:
    """One thing that is said of the gateway, what it is worth, and when it was last seen."""

    level: Level
    sentence: str
    checked_at: datetime | None = None

    def text(self) -> str:
        """The statement as a person reads it."""
        checked = f", checked {at(self.checked_at)}" if self.checked_at else ""
        return f"{self.sentence} (**{self.level}**{checked})"


def at(moment: datetime) -> str:
    """A time as people read it."""
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def where(stated: Processing, seen: Observation) -> Statement:
    """Where the text goes."""
    host, model = stated.gateway_host, stated.model
    if stated.builtin:
        return Statement(Level.PROVED, "The model runs inside my own process: no text leaves it.")
    if model in seen.elsewhere:
        return Statement(
            Level.UNKNOWN,
            f"{host} hands the model “{model}” on to a machine of others.",
            seen.asked_at,
        )
    if seen.connected_at is None:
        return Statement(
            Level.UNKNOWN, f"It goes to {host}. I have not reached it since I was started."
        )
    level, sentence = _reached(stated, seen)
    return Statement(level, sentence, seen.connected_at)


def _reached(stated: Processing, seen: Observation) -> tuple[Level, str]:
    """Where the text goes, of a gateway that connections were made to."""
    host, place = stated.gateway_host, f"My connection ends at {seen.address}"
    match stated.preset:
        case "openrouter" | "vercel":
            return Level.ENFORCED, (
                f"It goes to {host}, which hands it only to providers that keep nothing and train "
                f"on nothing{_if_it_is(stated)}. {place}."
            )
        case "litellm":
            return Level.UNKNOWN, (
                f"{host} hands it on to whomever my operator has chosen there. {place}."
            )
        case "openai" if host.endswith(".openai.com"):  # other services speak its language too
            return Level.PROMISED, f"It goes to OpenAI's service at {host}. {place}."
    if seen.near:
        return Level.PROVED, f"{place}, a private address: my operator's machine or network."
    return Level.UNKNOWN, (
        f"{place}, a public address of {host}; whose machine that is, I can't see."
    )


def training(stated: Processing, seen: Observation) -> Statement:
    """Whether somebody trains on the text."""
    if stated.builtin:
        return Statement(Level.PROVED, "Not used for training: nobody but me gets it.")
    if stated.model in seen.elsewhere:
        sentence = "Whether it is used for training where it is handed on, I can't say."
        return Statement(Level.UNKNOWN, sentence)
    if stated.preset in _FILTERS:
        return _enforced("Not used for training", stated, seen)
    words = {
        "never": (Level.PROMISED, "Not used for training, as my operator states."),
        "opt-out": (
            Level.UNKNOWN,
            "May be used for training unless my operator opted out, which I can't see.",
        ),
    }
    unsaid = (Level.UNKNOWN, "Whether it is used for training is not stated.")
    return Statement(*words.get(stated.training, unsaid))


def retention(stated: Processing, seen: Observation) -> Statement:
    """How long the text is kept there."""
    if stated.builtin:
        return Statement(Level.PROVED, "The model keeps nothing.")
    if stated.model in seen.elsewhere:
        return Statement(Level.UNKNOWN, "How long it is kept where it is handed on, I can't say.")
    if stated.preset in _FILTERS:
        return _enforced("Not kept by the provider that answers", stated, seen)
    if stated.retention in ("", "unknown"):
        return Statement(Level.UNKNOWN, "How long it is kept is not stated.")
    if stated.retention == "none":
        return Statement(Level.PROMISED, "Nothing is kept there, as my operator states.")
    return Statement(Level.PROMISED, f"Kept there: {stated.retention}, as my operator states.")


def _enforced(what: str, stated: Processing, seen: Observation) -> Statement:
    name, _ = _FILTERS[stated.preset]
    sentence = f"{what}: each request demands it of {name}{_if_it_is(stated)}."
    return Statement(Level.ENFORCED, sentence, seen.connected_at)


def _if_it_is(stated: Processing) -> str:
    """What the demand rests on where the host isn't the well-known one."""
    name, home = _FILTERS[stated.preset]
    host = stated.gateway_host
    known = host == home or host.endswith(f".{home}")
    return "" if known else f", if {host} is {name}, as my operator says"


def overview(stated: Processing, seen: Observation, prefix: str) -> str:
    """Who answers, in short."""
    who = "The demo model that is built into me."
    if not stated.builtin:
        who = f"The model “{stated.model}” at {stated.gateway_host}."
    said = "\n".join(f"- {one(stated, seen).text()}" for one in (where, training, retention))
    more = (
        f"{_memory(stated)}Proved is what I see myself, enforced what I demand with each request, "
        f"promised what somebody says. `{prefix}privacy gateway` says more."
    )
    return f"**Who answers.** {who}\n\n{said}\n\n{more}"


def page(stated: Processing, seen: Observation, *, embeds: bool) -> str:
    """`!privacy gateway`."""
    who = "built into me" if stated.builtin else f"at {stated.gateway_host}"
    return "\n\n".join(
        (
            f"**The model's gateway.** “{stated.model}”, {who}. It reads each question, because "
            "without that it could not answer.",
            f"**Where the text goes.** {where(stated, seen).text()}",
            f"**Training.** {training(stated, seen).text()}",
            f"**How long it is kept there.** {retention(stated, seen).text()}",
            f"**What I send.** {_sent(stated, embeds=embeds)}",
            f"**What it says of itself.** {_told(stated, seen)}",
            _meanings(),
        )
    )


def _memory(stated: Processing) -> str:
    if stated.memory_allowed:
        return ""
    return (
        "My operator has not declared that nobody trains on it. Because of that, I send it nothing "
        "that I remember and nothing that others said: only your latest message. "
    )


def _sent(stated: Processing, *, embeds: bool) -> str:
    memory = "Your message, the last ones before it, and what I remember that fits it. "
    vectors = (
        "Each message and memory goes there once more, to be given the numbers by which I search. "
        if embeds and stated.memory_allowed
        else ""
    )
    return (
        f"{memory if stated.memory_allowed else _memory(stated)}{vectors}Never your Matrix id, "
        "your name or a room's: where a gateway wants to tell people apart, it gets a number that "
        "only I can trace back. Each request is looked over just before it leaves, and one without "
        "its privacy settings is not sent."
    )


def _told(stated: Processing, seen: Observation) -> str:
    """What its program answered when it was asked; nothing of it is taken for a proof."""
    told = []
    if stated.model in seen.here:
        told.append(f"the model “{stated.model}” runs on the machine that I reach")
    if stated.model in seen.elsewhere:
        told.append(f"the model “{stated.model}” does not run on the machine that I reach")
    if seen.zero_retention is not None:
        some = "providers" if seen.zero_retention else "no provider"
        told.append(f"it lists {some} for this model that keep nothing")
    if seen.shows_work is not None:
        whoever = "whoever reaches it can" if seen.shows_work else "nobody else can"
        told.append(f"{whoever} ask it what it is working on")
    if not told or seen.asked_at is None:
        return "Nothing that I know how to ask for."
    said = "; ".join(told)
    return f"{said[0].upper()}{said[1:]} (asked {at(seen.asked_at)})."


def _meanings() -> str:
    lines = "\n".join(f"- **{level}**: {meaning}" for level, meaning in LEVELS.items())
    return f"**What these words mean.**\n\n{lines}"
