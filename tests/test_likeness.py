"""Which two sentences say the same, more, or the opposite."""

import pytest

from bot.likeness import Likeness, likeness

SAME, MORE, OPPOSED, OTHER = Likeness.SAME, Likeness.MORE, Likeness.OPPOSED, Likeness.OTHER


@pytest.mark.parametrize(
    ("known", "new", "expected"),
    [
        ("likes green tea", "really likes green tea", SAME),
        ("Likes tea", "The person loves tea.", SAME),
        ("Lives in Rome", "I live in Rome", SAME),
        ("My cat is called Miso", "The person's cat is called Miso", SAME),
        ("I love hiking in the Alps", "I enjoy hiking in the alps very much", SAME),
        ("Ich wohne in Wien", "Wohnt in Wien", SAME),
        ("Likes tea", "Likes green tea", MORE),
        ("My cat is called Miso", "My black cat is called Miso", MORE),
        ("likes tea", "does not like tea", OPPOSED),
        ("likes coffee", "hates coffee", OPPOSED),
        ("Enjoys jazz", "I detest jazz", OPPOSED),
        ("Plays the cello", "I don't play the cello any more", OPPOSED),
        ("mag Kaffee", "mag keinen Kaffee", OPPOSED),
        ("Lives in Rome", "You live in Oslo.", OPPOSED),
        ("I live in Rome", "I moved to Oslo", OPPOSED),
        ("Lives in Berlin", "No longer lives in Berlin", OPPOSED),
        ("Works at Acme", "I work for Globex now", OPPOSED),
        ("I work as a nurse", "I work as a doctor", OPPOSED),
        ("Arbeitet bei Siemens", "Ich arbeite jetzt bei Bosch", OPPOSED),
        ("Ich wohne in Wien", "Ich bin nach Graz gezogen", OPPOSED),
        ("J'habite à Lyon", "j'habite à Paris", OPPOSED),
        ("Vivo en Madrid", "Vivo en Sevilla", OPPOSED),
        ("My favourite colour is green", "Blue is my favorite color", OPPOSED),
        ("Meine Lieblingsfarbe ist grün", "meine Lieblingsfarbe ist blau", OPPOSED),
        ("I'm 30 years old", "I am 31 years old", OPPOSED),
        ("Ich bin 30 Jahre alt", "Ich bin 31 Jahre alt", OPPOSED),
        ("my name is Ann", "call me Sam", OPPOSED),
        ("I am single", "I'm married now", OPPOSED),
        ("my wife is Eva", "my wife is called Mia", OPPOSED),
        ("My birthday is on 3 May", "my birthday is on 4 May", OPPOSED),
        ("Has 2 cats", "Has 3 cats", OTHER),
        (
            "Ran 5 long races in Bern, Graz, Linz, Oslo and Rome",
            "Ran 6 long races in Bern, Graz, Linz, Oslo and Rome",
            OTHER,
        ),
        ("Owns a house near Bergen harbour", "Plans a house near Bergen harbour", OTHER),
        ("Has a boat near Bergen harbour", "Wants a boat near Bergen harbour", OTHER),
        ("Spielt Geige im Orchester in Graz", "Möchte Geige im Orchester in Graz spielen", OTHER),
        ("Eats no meat on Fridays", "Eats meat on Fridays", OPPOSED),
        ("My cat is called Miso", "My cat is called Tom", OTHER),
        ("My favourite colour is green", "My favourite food is pizza", OTHER),
        ("Lives in Rome", "Wants to live in Oslo", OTHER),
        ("Lives in Rome", "Used to live in Oslo", OTHER),
        ("Lives in Rome", "My sister lives in Oslo", OTHER),
        ("Lives in Rome", "I live in a small flat", OTHER),
        ("I work as a nurse", "I work at Acme", OTHER),
        ("I like cats", "I like dogs", OTHER),
        ("Plays the piano", "Plays the violin", OTHER),
        ("likes tea", "", OTHER),
    ],
)
def test_what_a_new_sentence_is_to_a_known_one(known: str, new: str, expected: Likeness) -> None:
    assert likeness(known, new) is expected
