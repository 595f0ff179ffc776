"""Words that make a fact delicate, in four languages, and words that only look so."""

import pytest

from bot.sensitive import Category, is_about_others, is_secret, topic


@pytest.mark.parametrize(
    ("text", "category"),
    [
        ("I was diagnosed with ADHD", Category.HEALTH),
        ("Ich habe Krebs", Category.HEALTH),
        ("j'ai une allergie aux noix", Category.HEALTH),
        ("Mi hermana tiene cáncer", Category.HEALTH),
        ("I see my therapist on Mondays", Category.HEALTH),
        ("I'm trans", Category.SEX),
        ("Ich bin schwul", Category.SEX),
        ("I am a Christian", Category.RELIGION),
        ("Ich gehe in die Kirche", Category.RELIGION),
        ("Je suis musulman", Category.RELIGION),
        ("ich wähle die Grünen", Category.POLITICS),
        ("Je suis plutôt de gauche", Category.POLITICS),
        ("I am a member of the Labour Party", Category.POLITICS),
        ("I'm Black", Category.ETHNICITY),
        ("Soy gitano", Category.ETHNICITY),
        ("I was arrested in 2010", Category.CRIME),
        ("Ich bin vorbestraft", Category.CRIME),
    ],
)
def test_it_is_delicate(text: str, category: Category) -> None:
    assert topic(text) is category


@pytest.mark.parametrize(
    "text",
    [
        "I am a nurse in a hospital",
        "Ich bin Krankenschwester",
        "my cat is black",
        "my brother is called Christian",
        "I live in Rome",
        "Vivo en Roma",
        "I'm vegan",
        "I like birthday parties",
        "I race bikes",
        "J'ai une enceinte bluetooth",
        "I turned left at the corner",
        "Ich habe einen Hund gewählt",
        "My favourite colour is white",
        "I write Python at work",
        "Ich spiele gern Tennis",
        "J'aime le vélo",
        "Me gusta el té",
    ],
)
def test_it_only_looks_delicate(text: str) -> None:
    allowed = {Category.POLITICS} if "gewählt" in text else set()  # "habe … gewählt" errs to asking

    assert topic(text) in {Category.GENERAL, *allowed}


@pytest.mark.parametrize(
    "text",
    [
        "my sister has a dog",
        "my brother lives in Bergen",
        "Tom lives in Berlin",
        "my boss is strict",
        "I think my mom is 60 years old",
        "meine Schwester wohnt in Bern",
        "ma soeur habite à Lyon",
        "mi hermano vive en Madrid",
        "my sister is called Anna and has a boat",
    ],
)
def test_it_is_about_somebody_else(text: str) -> None:
    assert is_about_others(text)


@pytest.mark.parametrize(
    "text",
    [
        "my sister is called Anna",
        "My sister's name is Anna",
        "my best friend is Tom",
        "mon frère s'appelle Luc",
        "mi hermana se llama Ana",
        "my wife and I live in Graz",
        "I live with my brother",
        "I have two kids",
        "my cat is called Miso",
        "my team uses Python",
        "Berlin is my home",
    ],
)
def test_it_is_about_the_person(text: str) -> None:
    assert not is_about_others(text)


@pytest.mark.parametrize(
    "text",
    [
        "mein Passwort ist x",
        "mot de passe : abc",
        "mi contraseña es b",
        "senha: b",
        "пароль 123",
        "密码是123",
        "AT61 1904 3002 3457 3201",
        "DE89370400440532013000",
        "card 5500-0000-0000-0004",
        "AKIAIOSFODNN7EXAMPLE",
        "glpat-abcdefghij1234567890",
        "syt_YW5u_abcdefghijklmnop_0a1b2c",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0",
        "EsTc 1234 abcd efgh ijkl mnop",
        "a1B2c3D4e5F6g7H8i9J0k1",
        "postgres://u:pw@host/db",
        "ssh-ed25519 AAAAC3Nza",
        "the door code is 1234",
        "my SSN is 078-05-1120",
    ],
)
def test_it_is_a_secret(text: str) -> None:
    assert is_secret(text)


@pytest.mark.parametrize(
    "text",
    [
        "my number is +43 660 1234567",
        "call +4915112345678",
        "I collect pins",
        "we meet 2026-11-25 10:00 12:00",
        "my keyboard is nice",
        "see https://example.org/watch?v=AbCdEf123456",
        "I live at 12 Main Street",
        "I work from 9 to 5",
    ],
)
def test_it_is_no_secret(text: str) -> None:
    assert not is_secret(text)
