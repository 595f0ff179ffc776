"""What counts as a command line."""

import pytest

from bot.command import Line, named, number, split
from bot.commands import COMMANDS, nearest


@pytest.mark.parametrize(
    ("body", "line"),
    [
        ("!help", Line("help", "")),
        ("  !Help  ", Line("help", "")),
        ("!memory add I like tea", Line("memory", "add I like tea")),
        ("!memory add I like\ntea", Line("memory", "add I like\ntea")),
        ("!forget\neverything", Line("forget", "everything")),
        ("!helpless", Line("helpless", "")),
        ("!memory ADD Tea", Line("memory", "ADD Tea")),
    ],
)
def test_a_word_behind_the_prefix_is_a_command_line(body: str, line: Line) -> None:
    assert split(body) == line


@pytest.mark.parametrize(
    "body", ["hello", "", "!", "!!!", "! help", "say !help", "!1", "!héé", "> !help"]
)
def test_anything_else_is_talk(body: str) -> None:
    assert split(body) is None


def test_another_prefix_makes_the_first_one_talk() -> None:
    assert split("!help", prefix="+") is None
    assert split("+help", prefix="+") == Line("help", "")


def test_names_are_matched_whole() -> None:
    helpless = named("helpless", COMMANDS)

    assert helpless is None
    assert named("help", COMMANDS) is COMMANDS[0]


@pytest.mark.parametrize(
    ("typed", "meant"), [("hepl", "help"), ("memry", "memory"), ("exprot", "export"), ("xyz", None)]
)
def test_a_slip_of_the_finger_is_recognised(typed: str, meant: str | None) -> None:
    assert nearest(typed) == meant


def test_every_command_is_named_once_and_typed_as_it_is_named() -> None:
    names = [command.name for command in COMMANDS]

    assert len(set(names)) == len(names)
    for command in COMMANDS:
        assert all(line.split()[0] == command.name for line in command.usage)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("7", 7), ("#7", 7), ("0", 0), ("", None), ("-1", None), ("٣", None), ("9" * 16, None)],
)
def test_a_number_is_plain_digits(typed: str, meant: int | None) -> None:
    assert number(typed) == meant
