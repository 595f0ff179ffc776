"""The lines under an answer: what was saved and forgotten, or that nothing was."""

from enum import StrEnum

from bot import learning_words
from bot.quoting import own_words
from bot.saving import Became, Learned
from bot.toolbox import Toolbox
from bot.wishes import asks_to_forget, asks_to_remember, claims_to_forget, claims_to_remember


class Without(StrEnum):
    """Why an answer has no memory."""

    GATEWAY = "gateway"  # nothing remembered may reach it
    PAUSED = "paused"  # whoever asks shows another identity
    PRIVATE = "private"


def note(text: str, box: Toolbox, learned: Learned, prefix: str) -> str:
    """What became of memories with an answer of this text."""
    thought_saved = box.asked or claims_to_remember(text)
    lines = learning_words.notes(learned, prefix)
    if thought_saved:
        lines += learning_words.waiting(learned.of(Became.WAITING), prefix)
    if box.asked:
        lines += learning_words.known(learned.of(Became.KNOWN), prefix)
    if thought_saved and not learned.outcomes:
        lines += learning_words.not_saved(learned.refusals, box.mode, prefix)
    if learned.maybe_forgotten:
        lines += learning_words.maybe_forgotten(prefix)
    elif not learned.forgotten and asks_to_forget(box.said) and claims_to_forget(text):
        lines += learning_words.not_forgotten(prefix)
    return lines


def note_without(text: str, body: str, without: Without, prefix: str) -> str:
    """That nothing was saved or forgotten, in answer to a message, for there is no memory."""
    said, lines = own_words(body), ""
    if asks_to_remember(said) or claims_to_remember(text):
        lines += _NOT_SAVED[without](prefix)
    if asks_to_forget(said) and claims_to_forget(text):
        paused, words = without is Without.PAUSED, learning_words
        lines += (words.not_forgotten_paused if paused else words.not_forgotten)(prefix)
    return lines


_NOT_SAVED = {
    Without.GATEWAY: learning_words.without_memory,
    Without.PAUSED: learning_words.not_saved_paused,
    Without.PRIVATE: learning_words.not_saved_in_private,
}
