"""What the documents say is what the code does."""

import re
from pathlib import Path

from bot.__main__ import _parser
from bot.commands import COMMANDS
from bot.commands.import_ import STAYS_OUT
from bot.commands.operators import OPERATOR_COMMANDS
from bot.config import Config, load_config
from bot.evidence import Level
from bot.matrix.content import AI

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_readme_lists_every_command_as_it_is_typed() -> None:
    rows = [
        f"| {' · '.join(f'`!{_cell(line)}`' for line in command.usage)} | {command.summary} |"
        for command in COMMANDS
    ]

    table = re.search(r"\| Command \| What it does \|\n\|---\|---\|\n((?:\|.*\n)+)", README)

    assert table is not None
    assert table[1].splitlines() == rows


def test_the_readme_lists_every_command_of_operators_as_it_is_typed() -> None:
    rows = [
        f"| {' · '.join(f'`!{_cell(line)}`' for line in command.usage)} | {command.summary} |"
        for command in OPERATOR_COMMANDS
    ]

    table = re.search(
        r"\| In the audit room \| What it does \|\n\|---\|---\|\n((?:\|.*\n)+)", README
    )

    assert table is not None
    assert table[1].splitlines() == rows


def _cell(text: str) -> str:
    """A text in a cell of a table, where a bar would end the cell."""
    return text.replace("|", "\\|")


def test_every_verb_that_the_readme_types_exists() -> None:
    verbs = set(re.findall(r"\./confidant ([a-z]+)", README)) - {"test", "bench"}

    help_page = _parser().format_help()

    assert {"demo", "run", "init", "doctor"} <= verbs
    assert all(re.search(rf"^    {verb}\b", help_page, re.MULTILINE) for verb in verbs)


def test_every_file_that_a_document_links_to_is_there() -> None:
    documents = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]
    links = [
        (document, target)
        for document in documents
        for target in re.findall(r"\]\(([^)#:]+)\)", document.read_text(encoding="utf-8"))
    ]

    assert links
    for document, target in links:
        assert (document.parent / target).exists(), f"{document.name} links to {target}"


def test_the_sample_configuration_is_understood(tmp_path: Path) -> None:
    sample = tmp_path / "config.toml"
    sample.write_text((ROOT / "config.sample.toml").read_text(encoding="utf-8"), encoding="utf-8")

    config = load_config(sample, {})

    assert config.homeserver.user_id == "@confidant:example.org"


def test_every_key_that_the_readme_names_is_a_key_of_the_sample() -> None:
    sample = (ROOT / "config.sample.toml").read_text(encoding="utf-8")
    rows = re.search(r"\| Key \| What it decides \|\n\|---\|---\|\n((?:\|.*\n)+)", README)
    assert rows is not None

    for row in rows[1].splitlines():
        for key in re.findall(r"`([a-z_.]+)`", row.split("|")[1]):
            assert re.search(rf"^#? ?{key.split('.')[-1]} =", sample, re.MULTILINE), key


def test_the_page_about_privacy_explains_each_level_and_the_mark() -> None:
    page = (ROOT / "docs" / "privacy.md").read_text(encoding="utf-8")

    assert all(f"- **{level}**: " in page for level in Level)
    assert f"`{AI}`" in page
    assert "docs/privacy.md" in README


def test_every_key_behind_what_people_are_told_is_one() -> None:
    page = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
    keys = re.findall(r"`((?:privacy|gateway|memory|limits)\.[a-z_]+)`", page)

    assert len(keys) > 8
    for key in keys:
        section, _, name = key.partition(".")
        assert name in Config.model_fields[section].annotation.model_fields, key  # type: ignore[union-attr]


def test_the_page_about_exports_says_what_does_not_come_back() -> None:
    page = (ROOT / "docs" / "export.md").read_text(encoding="utf-8")

    table = re.search(r"\| Not as it was \| Because \|\n\|---\|---\|\n((?:\|.*\n)+)", page)

    assert table is not None
    assert table[1].splitlines() == [f"| {what} | {why} |" for what, why in STAYS_OUT.items()]
