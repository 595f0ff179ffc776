"""No operator command shows what anybody said, whatever vaults hold and whatever is typed."""

from pathlib import Path

from bot.commands.operators import OPERATOR_COMMANDS
from bot.messages import Room
from bot.room_events import Edit
from storage import Vault
from tests.spine import ANN, AUDIT_ROOM, BOB, BOT, Spine, configured, remembers, spine

OPERATOR = "@op:x.org"
MARK = "canary"

TEXT_COLUMNS = """
    SELECT tables.name AS "table", columns.name AS "column"
    FROM pragma_table_list AS tables JOIN pragma_table_info(tables.name) AS columns
    WHERE tables.schema = 'main' AND tables.type = 'table'
    AND tables.name NOT LIKE 'sqlite!_%' ESCAPE '!' AND columns.type = 'TEXT'
    AND columns.name NOT LIKE '%!_at' ESCAPE '!' AND columns.name <> 'day'
"""
"""Times and days are left as they are: without them nothing could be counted."""

RARE = (
    "INSERT INTO memory_said SELECT memory_id, '$s', '!ann', 'tea', created_at FROM memory LIMIT 1",
    "INSERT INTO turn_part SELECT '$p', turn_id FROM turn LIMIT 1",
    "INSERT INTO turn_vector SELECT 1, turn_id, 'model', x'01' FROM turn LIMIT 1",
    "INSERT INTO memory_vector SELECT 1, memory_id, 'model', x'01' FROM memory LIMIT 1",
    "INSERT INTO unrecorded (occasion, action, target) VALUES ('o', 'memory.created', 'memory 1')",
)
"""What these two have not brought about."""

CHECKED = {
    ("memory", "origin"),
    ("memory", "room_kind"),
    ("memory", "status"),
    ("memory_revision", "changed_by"),
    ("notice", "became"),
    ("turn", "role"),
    ("turn", "room_kind"),
}
"""What the schema holds to a few fixed words."""


async def lived(bot: Spine) -> None:
    """Two people with something in as many tables as a life brings."""
    bot.model.answers = [remembers("You live in Oslo.", "I live in Oslo")]
    await bot.say("I live in Oslo")
    await bot.say("!memory add I like tea")
    await bot.say("!memory edit 2 I like coffee")
    await bot.say("!memory share 2", room_id="!all", mentions_bot=True)
    await bot.say("!memory mode ask")
    bot.model.answers = [remembers("You have a cat.", "I have a cat")]
    await bot.say("I have a cat")
    await bot.say("!export --passphrase")
    await bot.say("Hello", BOB, "!bob")


async def mark(vault: Vault) -> set[tuple[str, str]]:
    """Put a canary into every text of every row; the columns that hold none after it."""
    database, left = vault._database, set[tuple[str, str]]()
    columns = sorted((row["table"], row["column"]) for row in await database.rows(TEXT_COLUMNS))
    async with database.transaction() as transaction:
        for statement in RARE:
            await transaction.execute(statement)
    for table, column in reversed(columns):  # a vector goes when its text changes
        update = f"UPDATE {table} SET {column} = coalesce({column}, '') || ? || hex(randomblob(4))"
        try:
            async with database.transaction() as transaction:
                rows = await transaction.execute(update, f" {MARK} {table} {column} ")
            left |= set() if rows else {(table, column)}
        except Exception as error:
            assert "CHECK" in str(error) or "FOREIGN KEY" in str(error), (table, column, error)
            left.add((table, column))
    return left


def lines(names: list[str]) -> list[str]:
    """Each command as it is typed, with nothing, with what is right and with what is hostile."""
    arguments = (
        "",
        *names,
        *(str(number) for number in (1, 2, 3, 0, -1, 10**20)),
        *(ANN, BOB, "@*:x.org", OPERATOR, "!ann", "$said-0", "#7", "7d", "all", "everything"),
        *("*", "%", "' OR 1=1 --", "'; SELECT text FROM memory; --", "{memory}", "%s", "../vaults"),
        *("show 1", "search tea", "memory", "!memory", "--json", "html", "\n!memory", "\x00", "😀"),
        *("<a href='x'>x</a>", "[x](https://x.org)", "`!why`", "x" * 3000),
    )
    commands = [one.name for one in OPERATOR_COMMANDS]
    personal = ["memory", "why", "export", "import", "audit", "private", "privacy", "nothing"]
    order = [one for one in commands if one != "pause"] + ["pause", *personal]
    return [f"!{name} {one}".strip() for name in order for one in arguments]


async def test_no_command_in_any_form_shows_what_vaults_hold(tmp_path: Path) -> None:
    config = configured(
        access={"operators": f'["{OPERATOR}"]'}, limits={"messages_per_minute": "100000"}
    )
    async with spine(tmp_path, config) as bot:
        members = frozenset({BOT, OPERATOR})
        bot.homeserver.rooms[AUDIT_ROOM] = Room(AUDIT_ROOM, members, encrypted=True)
        await lived(bot)
        names = list[str]()
        for person in (BOB, ANN):  # Ann has all
            async with bot.storage.vaults.open(person) as vault:
                left = await mark(vault)
                names.append(vault.pseudonym)
        before = len(bot.homeserver.sent)

        for number, line in enumerate(lines(names)):
            await bot.say(line, OPERATOR, AUDIT_ROOM, reply_to="$said-0")
            if number % 10 == 0:
                message = bot.message(line, event_id=f"$e{number}", sender=OPERATOR)
                await bot.give(Edit(message, "$said-0"))
                await bot.edit("$said-0", line, OPERATOR, AUDIT_ROOM)
        said = bot.homeserver.sent[before:]
        told = [one for one in said if one.room_id == AUDIT_ROOM]
        feed = await bot.storage.audit_log.feed(limit=100_000)

    assert left == CHECKED, "the rest holds a canary, or this test is blind"
    assert not [one for one in told if MARK in repr((one.text, one.fields, one.attachment))]
    assert len(told) > 400
    assert any(ANN in one.text for one in told), "somebody was looked up"
    assert any("2 memories" in one.text or "3 memories" in one.text for one in told)
    assert not [one for one in told if one.attachment is not None]
    assert not [one for one in told if "Something went wrong" in one.text]
    assert MARK not in repr(feed)
