"""The design's rules of the house hold for every file that is there, and each of them can fail."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from tests import manners, walls
from tests.house import House, read_house
from tests.manners import MANNERS
from tests.walls import WALLS, Rule

ROOT = Path(__file__).parent.parent
RULES = WALLS + MANNERS

LISTED = """
    README.md ARCHITECTURE.md CHANGELOG.md CONTRIBUTING.md LICENSE pyproject.toml uv.lock
    config.sample.toml .ci/run confidant
    bot/__main__.py bot/app.py bot/config.py bot/errors.py bot/messages.py bot/dispatcher.py
    bot/handler.py bot/access.py bot/assistant.py bot/recall.py bot/gateway.py bot/audit_feed.py
    bot/jobs.py bot/replies.py bot/command.py bot/commands/__init__.py
    bot/matrix/client.py bot/matrix/guard.py bot/matrix/cross_signing.py bot/matrix/trust.py
    bot/matrix/sender.py bot/matrix/media.py bot/matrix/html.py
    storage/__init__.py storage/database.py storage/keyring.py storage/vaults.py storage/vault.py
    storage/search.py storage/inbox.py storage/audit_log.py
    bot/demo/*.py storage/migrations/shared/*.sql storage/migrations/vault/*.sql
    tests/live/test_*.py benchmarks/*.py deploy/*
"""
"""Every file and folder that the design's tree names; a folder by what it must not be without."""

SOUND = {
    "bot/__init__.py": '"""The bot."""',
    "bot/__main__.py": '"""Command line."""\nfrom bot.app import run',
    "bot/app.py": '"""Root."""\nimport bot.handler\nfrom bot.matrix.sender import Sender',
    "bot/errors.py": '"""Errors."""',
    "bot/messages.py": '"""Values."""',
    "bot/config.py": '"""Config."""\nimport pydantic\nfrom bot.errors import ConfigError',
    "bot/handler.py": '''"""Spine."""
import logging
from typing import Protocol
from bot import config, messages
from storage import Vault
log = logging.getLogger(__name__)
class Messenger(Protocol): ...
async def handle(vaults, message, prefix, tasks):
    tasks.create_task(handle)
    if message.body.startswith(prefix):
        log.info("a command of %d", 1)
    async with vaults.open(message.sender) as vault:
        return vault
''',
    "bot/matrix/__init__.py": "",
    "bot/matrix/sender.py": '"""Out."""\nimport nio\nimport bot.errors\nput("send")',
    "storage/__init__.py": '"""Public."""\nfrom storage.vaults import Vault\n__all__ = ["Vault"]',
    "storage/vaults.py": '"""Vaults."""\nfrom storage.database import Database\nclass Vault: ...',
    "storage/database.py": '"""SQL."""\nimport aiosqlite\nTEXT = "SELECT x FROM y"',
}
"""A small house that keeps every rule."""

Breach = tuple[Rule, Mapping[str, str], str]

BREACHES: tuple[Breach, ...] = (
    (
        walls.storage_knows_nothing_of_the_bot,
        {"storage/vaults.py": "def late():\n    from bot import errors"},
        "storage/vaults.py imports bot.errors",
    ),
    (
        walls.the_bot_takes_only_public_names_of_storage,
        {"bot/handler.py": "from storage import Vault, Database"},
        "bot/handler.py imports storage.Database",
    ),
    (
        walls.the_bot_takes_only_public_names_of_storage,
        {"bot/handler.py": "from storage.vaults import Vault"},
        "bot/handler.py imports storage.vaults.Vault",
    ),
    (
        walls.the_bot_takes_only_public_names_of_storage,
        {"bot/handler.py": "import storage.vaults"},
        "bot/handler.py imports storage.vaults",
    ),
    (
        walls.what_others_rest_on_rests_on_nothing_else,
        {"bot/messages.py": "from bot.config import Config"},
        "bot/messages.py imports bot.config",
    ),
    (
        walls.adapters_know_values_and_storage_alone,
        {"bot/matrix/sender.py": "from bot import handler"},
        "bot/matrix/sender.py imports bot.handler",
    ),
    (
        walls.adapters_know_values_and_storage_alone,
        {"bot/gateway_wire.py": "import bot.matrix.sender"},
        "bot/gateway_wire.py imports bot.matrix.sender",
    ),
    (
        walls.only_the_root_knows_adapters,
        {"bot/handler.py": "from bot.matrix import sender"},
        "bot/handler.py imports bot.matrix.sender",
    ),
    (
        walls.only_the_root_knows_adapters,
        {"bot/config.py": "from bot.gateway import Gateway"},
        "bot/config.py imports bot.gateway",
    ),
    (
        walls.only_the_command_line_and_the_demo_know_the_root,
        {"bot/handler.py": "from bot.app import run"},
        "bot/handler.py imports bot.app",
    ),
    (
        walls.the_inside_reaches_no_library,
        {"bot/recall.py": "from bot import helper", "bot/helper.py": "import numpy"},
        "bot/recall.py reaches numpy, through bot.helper",
    ),
    (
        walls.the_inside_reaches_no_library,
        {"bot/commands/__init__.py": "import nio", "bot/commands/help.py": ""},
        "bot/commands/help.py reaches nio, through bot.commands",
    ),
    (
        walls.the_inside_reaches_no_library,
        {"bot/handler.py": "if TYPE_CHECKING:\n    from openai import OpenAI"},
        "bot/handler.py reaches openai",
    ),
    (
        walls.each_library_has_its_place,
        {"storage/vaults.py": "import aiosqlite"},
        "storage/vaults.py imports aiosqlite, whose place is storage.database",
    ),
    (
        walls.each_library_has_its_place,
        {"bot/matrix/sender.py": "import requests.sessions"},
        "bot/matrix/sender.py imports requests, whose place is nowhere",
    ),
    (
        walls.no_module_needs_itself,
        {"bot/recall.py": "from bot import prompt", "bot/prompt.py": "from bot import recall"},
        "bot/prompt.py imports itself",
    ),
    (
        walls.imports_are_absolute_and_written_down,
        {"bot/matrix/sender.py": "from . import guard"},
        "bot/matrix/sender.py imports .guard",
    ),
    (
        walls.imports_are_absolute_and_written_down,
        {"bot/handler.py": "import importlib\nimportlib.import_module('nio')"},
        "bot/handler.py:2 imports by a computed name",
    ),
    (
        walls.every_module_is_used,
        {"bot/orphan.py": ""},
        "bot/orphan.py is not reached from bot.__main__",
    ),
    (
        walls.every_module_is_used,
        {"storage/orphan.py": ""},
        "storage/orphan.py is not reached from storage",
    ),
    (
        manners.vaults_open_from_the_sender_and_in_one_file,
        {"bot/recall.py": "storage.vaults.open(message.sender)"},
        "vaults are opened in 2 files: bot/handler.py, bot/recall.py",
    ),
    (
        manners.vaults_open_from_the_sender_and_in_one_file,
        {"bot/handler.py": "self._vaults.open(message.body)"},
        "bot/handler.py:1 takes a vault not from message.sender",
    ),
    (
        manners.vaults_open_from_the_sender_and_in_one_file,
        {"bot/handler.py": "vaults.open(user_id=message.sender)"},
        "bot/handler.py:1 takes a vault not from message.sender",
    ),
    (
        manners.vaults_open_from_the_sender_and_in_one_file,
        {"bot/handler.py": "vaults.open(message.sender, said_at=now)"},
        "bot/handler.py:1 takes a vault not from message.sender",
    ),
    (
        manners.vaults_open_from_the_sender_and_in_one_file,
        {"bot/exchange.py": "storage.vaults.destroy(user_id)"},
        "bot/exchange.py:1 takes a vault not from message.sender",
    ),
    (
        manners.vaults_open_from_the_sender_and_in_one_file,
        {"bot/handler.py": "opener = vaults.open"},
        "bot/handler.py passes a method of the vaults on",
    ),
    (
        manners.vaults_open_from_the_sender_and_in_one_file,
        {"bot/handler.py": ""},
        "vaults are opened in 0 files",
    ),
    (
        manners.what_storage_hides_stays_hidden,
        {
            "storage/vault.py": "class Vault:\n    def rows(self): return self._database",
            "bot/recall.py": "async def peek(vault):\n    return await vault._database.rows('x')",
        },
        "bot/recall.py:2 reaches into vault._database",
    ),
    (
        manners.commands_are_not_matched_by_their_beginning,
        {"bot/commands/help.py": "body.startswith('!help')"},
        "bot/commands/help.py:1 matches by startswith",
    ),
    (
        manners.every_task_has_a_group,
        {"bot/handler.py": "import asyncio\nasyncio.create_task(answer())"},
        "bot/handler.py:2 starts a task outside a group",
    ),
    (
        manners.bugs_are_caught_where_that_is_said,
        {"bot/recall.py": "try: ...\nexcept Exception:\n    x = 1"},
        "bot/recall.py:2 swallows every exception",
    ),
    (
        manners.bugs_are_caught_where_that_is_said,
        {"bot/recall.py": "try: ...\nexcept:\n    x = 1"},
        "bot/recall.py:2 swallows every exception",
    ),
    (
        manners.bugs_are_caught_where_that_is_said,
        {"bot/recall.py": "try: ...\nexcept (KeyError, Exception):\n    x = 1"},
        "bot/recall.py:2 swallows every exception",
    ),
    (
        manners.bugs_are_caught_where_that_is_said,
        {"bot/recall.py": "with contextlib.suppress(KeyError, Exception): ..."},
        "bot/recall.py:1 swallows every exception",
    ),
    (
        manners.sql_is_written_in_storage_alone,
        {"bot/handler.py": "query = 'SELECT text FROM memory'"},
        "bot/handler.py holds SQL",
    ),
    *(
        (
            manners.values_are_bound_and_never_written_into_sql,
            {"storage/vaults.py": f"rows({sql})"},
            "storage/vaults.py:1 writes values into SQL",
        )
        for sql in (
            "f'SELECT * FROM turn WHERE text = {text}'",
            "'DELETE FROM turn WHERE text = ' + text",
            "'DELETE FROM turn WHERE text = ' + text + ';'",
            "'UPDATE turn SET text = %s' % text",
            "'SELECT {}'.format(text)",
            "f'PRAGMA key = {key}'",
        )
    ),
    *(
        (
            manners.nothing_goes_through_a_shell,
            {"bot/handler.py": call},
            "bot/handler.py:1 starts a shell",
        )
        for call in (
            "os.system(name)",
            "subprocess.run(name, shell=True)",
            "asyncio.create_subprocess_shell(name)",
        )
    ),
    (
        manners.one_file_sends,
        {"bot/matrix/client.py": "path('rooms', room_id, 'send', kind)"},
        "bot/matrix/client.py names the endpoint that sends",
    ),
    (
        manners.one_file_sends,
        {"bot/demo/person.py": "client.room_send(room_id)"},
        "bot/demo/person.py:1 sends",
    ),
    (
        manners.log_lines_are_our_own_words,
        {"bot/handler.py": "log.info(f'said {body}')"},
        "bot/handler.py:1 logs what is not a plain sentence",
    ),
    (
        manners.no_secret_is_an_argument,
        {"bot/__main__.py": "verb.add_argument('--password')"},
        "bot/__main__.py takes a secret in --password",
    ),
    (
        manners.no_path_is_built_from_an_id,
        {"storage/vaults.py": "file = folder / f'{user_id}.db'"},
        "storage/vaults.py:1 builds a path from an id",
    ),
    (
        manners.no_path_is_built_from_an_id,
        {"bot/handler.py": "Path(message.sender)"},
        "bot/handler.py:1 builds a path from an id",
    ),
    (
        manners.protocols_stand_beside_their_consumer,
        {"bot/handler.py": "class Messenger: ..."},
        "bot/handler.py has no Protocol called Messenger",
    ),
    (
        manners.dataclasses_have_slots,
        {"bot/messages.py": "@dataclass(frozen=True)\nclass Value: ..."},
        "bot/messages.py:2 is a dataclass without slots",
    ),
    (
        manners.files_and_functions_are_short,
        {"bot/handler.py": "x = 1\n" * 301},
        "bot/handler.py has more than 300 lines",
    ),
    (
        manners.files_and_functions_are_short,
        {"bot/handler.py": "def handle():\n" + "    x = 1\n" * 60},
        "bot/handler.py:1 handle has 61 lines",
    ),
    (
        manners.each_file_says_what_it_is,
        {"bot/handler.py": "x = 1"},
        "bot/handler.py has no docstr",
    ),
)


def build(root: Path, files: Mapping[str, str]) -> House:
    for name, source in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(source, "utf-8")
    return read_house(root)


@pytest.fixture(scope="module")
def house() -> House:
    return read_house(ROOT)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_house_keeps_its_rules(rule: Rule, house: House) -> None:
    assert list(rule(house)) == []


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_a_sound_house_breaks_no_rule(rule: Rule, tmp_path: Path) -> None:
    assert list(rule(build(tmp_path, SOUND))) == []


@pytest.mark.parametrize(("rule", "files", "told"), BREACHES)
def test_a_breach_is_told(rule: Rule, files: Mapping[str, str], told: str, tmp_path: Path) -> None:
    breaches = list(rule(build(tmp_path, {**SOUND, **files})))

    assert [breach for breach in breaches if breach.startswith(told)], breaches


def test_every_rule_was_seen_to_fail() -> None:
    assert {rule for rule, _, _ in BREACHES} == set(RULES)


def test_the_tree_has_what_the_design_lists() -> None:
    missing = [one for one in LISTED.split() if not any(map(Path.is_file, ROOT.glob(one)))]

    assert missing == []
