"""Who asks to remember or to forget, and who only speaks of it."""

import pytest

from bot.wishes import asks_to_forget, asks_to_remember, claims_to_forget, claims_to_remember


@pytest.mark.parametrize(
    "text",
    [
        "Remember that I like tea",
        "Hi!\nplease remember: my cat is called Miso",
        "can you remember that I like tea?",
        "don’t forget that I hate olives",
        "note that I work late",
        "Keep in mind that I'm left-handed",
        "Merk dir bitte, dass ich in Graz wohne",
        "Kannst du dir merken, dass ich früh aufstehe",
        "vergiss nicht, dass ich Tee mag",
        "souviens-toi que j'aime le thé",
        "n'oublie pas que j'habite à Lyon",
        "Retiens que je travaille tard",
        "recuerda que vivo en León",
        "no olvides que vivo en León",
        "ricorda che vivo a Roma",
        "Onthoud dat ik in Gent woon",
        "запомни, что я живу в Берлине",
        "记住我住在柏林",
    ],
)
def test_it_asks_to_remember(text: str) -> None:
    assert asks_to_remember(text)
    assert not asks_to_forget(text)


@pytest.mark.parametrize(
    "text",
    [
        "do you remember my cat?",
        "can you remember what I said?",
        "I remember that",
        "I can't remember",
        "you remember, right?",
        "Remember me?",
        "don't forget to breathe",
        "My memory is bad",
        "Note that x must be positive. How do I prove it?",
        "keep in mind that the API is slow",
        "Remember to close the file",
        "Save this as a CSV file",
        "Weißt du noch?",
        "tu te souviens ?",
    ],
)
def test_it_does_not_ask_to_remember(text: str) -> None:
    assert not asks_to_remember(text)


@pytest.mark.parametrize(
    "text",
    [
        "forget that I live in Berlin",
        "Please forget my job",
        "can you forget my address?",
        "delete memory 3",
        "delete what you know about my job",
        "stop remembering my job",
        "you can forget the cat",
        "Vergiss, dass ich in Berlin wohne",
        "Lösche, was du über meinen Job weißt",
        "oublie que j'habite à Lyon",
        "olvida que vivo en León",
        "dimentica che vivo a Roma",
        "забудь, что я живу в Берлине",
    ],
)
def test_it_asks_to_forget(text: str) -> None:
    assert asks_to_forget(text)
    assert not asks_to_remember(text)


@pytest.mark.parametrize(
    "text",
    [
        "don't forget that",
        "never forget it",
        "forget it.",
        "I forgot my keys",
        "I always forget names",
        "did you forget my name?",
        "how do I delete a file?",
        "vergiss das bitte nicht",
        "n'oublie pas",
        "no olvides",
    ],
)
def test_it_does_not_ask_to_forget(text: str) -> None:
    assert not asks_to_forget(text)


@pytest.mark.parametrize(
    "text",
    [
        "I'll remember that!",
        "Nice. I’ve saved that for you.",
        "Noted.",
        "Got it, noted!",
        "I have added it to your memory",
        "I'll keep that in mind",
        "Das habe ich mir gemerkt.",
        "Merke ich mir!",
        "C'est noté",
        "J'ai bien noté",
        "Lo recordaré",
    ],
)
def test_a_model_claims_to_have_remembered(text: str) -> None:
    assert claims_to_remember(text)


@pytest.mark.parametrize(
    "text",
    [
        "Nice cat.",
        "I remember that you like tea",
        "As noted above, it rains",
        "You should note that",
        "I see.",
    ],
)
def test_a_model_claims_nothing(text: str) -> None:
    assert not claims_to_remember(text)


def test_a_model_claims_to_have_forgotten() -> None:
    assert claims_to_forget("I've deleted that.")
    assert claims_to_forget("Das habe ich vergessen.")
    assert not claims_to_forget("All right.")
