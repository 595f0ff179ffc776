"""docs/export.schema.json says what an export holds: every column, and nothing else."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from jsonschema import Draft202012Validator, ValidationError

from bot.archive.writing import SCHEMA, VERSION
from storage.database import Database
from tests.archive.vaults import (
    ANN,
    EVERYTHING,
    Step,
    carried_out,
    export_of,
    folder_in,
    steps,
    storage_in,
)

DOCUMENT: dict[str, Any] = json.loads(
    (Path(__file__).parents[2] / "docs" / "export.schema.json").read_text(encoding="utf-8")
)
VALIDATOR = Draft202012Validator(DOCUMENT)
TABLES: dict[str, Any] = DOCUMENT["properties"]["tables"]["properties"]
TYPES = {"TEXT": "string", "INTEGER": "integer"}


def types_of(described: dict[str, Any]) -> set[str]:
    """The JSON types that a description lets through."""
    if "$ref" in described:
        return types_of(DOCUMENT["$defs"][described["$ref"].rpartition("/")[2]])
    if "anyOf" in described:
        return {one for other in described["anyOf"] for one in types_of(other)}
    kind = described["type"]
    return {kind} if isinstance(kind, str) else set(kind)


def test_the_schema_itself_is_one() -> None:
    Draft202012Validator.check_schema(DOCUMENT)
    assert DOCUMENT["title"] == DOCUMENT["properties"]["schema"]["const"] == SCHEMA + VERSION


async def test_the_schema_has_every_column_of_every_table_as_it_is(
    tmp_path: Path,
) -> None:
    async with storage_in(tmp_path / "data") as storage, storage.vaults.open(ANN) as vault:
        exported = set(await vault.export())

    assert set(TABLES) == set(DOCUMENT["properties"]["tables"]["required"]) == exported
    async with await Database.open(tmp_path / "vault.db", migrations="vault") as database:
        for table, described in TABLES.items():
            await _compare(database, table, described["items"])


async def _compare(database: Database, table: str, described: dict[str, Any]) -> None:
    columns = await database.rows("SELECT * FROM pragma_table_info(?)", table)
    sql = str(await database.value("SELECT sql FROM sqlite_schema WHERE name = ?", table))
    choices = dict(re.findall(r"CHECK \((\w+) IN \(([^)]*)\)\)", sql))
    assert [*described["properties"]] == described["required"] == [one["name"] for one in columns]
    assert described["additionalProperties"] is False
    for column in columns:
        kind, name = described["properties"][column["name"]], f"{table}.{column['name']}"
        null = set() if column["notnull"] or column["pk"] else {"null"}
        assert types_of(kind) == {TYPES.get(column["type"], "string")} | null, name
        assert (kind.get("$ref") == "#/$defs/bytes") is (column["type"] == "BLOB"), name
        allowed = [json.dumps(one).replace('"', "'") for one in kind.get("enum", [])]
        assert ", ".join(allowed) == choices.get(column["name"], ""), name


async def test_an_export_with_a_row_in_every_table_fits_the_schema(tmp_path: Path) -> None:
    async with storage_in(tmp_path) as storage, storage.vaults.open(ANN) as vault:
        await carried_out(vault, EVERYTHING)

        document = json.loads((await export_of(storage, vault)).as_json())

    assert [name for name, rows in document["tables"].items() if not rows] == []
    VALIDATOR.validate(document)


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(taken=steps)
async def test_whatever_a_vault_holds_its_export_fits_the_schema(
    tmp_path: Path, taken: list[Step]
) -> None:
    async with storage_in(folder_in(tmp_path)) as storage, storage.vaults.open(ANN) as vault:
        await carried_out(vault, taken)
        tables = await vault.export()

        document = json.loads((await export_of(storage, vault)).as_json())

    VALIDATOR.validate(document)
    tables.pop("audit_detail")  # the export adds two
    assert {name: document["tables"][name] for name in tables} == tables


@pytest.mark.parametrize(
    ("table", "column", "value"),
    [
        ("memory", "status", "forgotten"),
        ("memory", "created_at", "yesterday"),
        ("memory", "pinned", "yes"),
        ("memory", "digest", "not hexadecimal"),
        ("turn", "text", None),
        ("turn", "surprise", "a new column"),
        ("usage", "day", "2026-01-01T12:00:00"),
    ],
)
async def test_what_does_not_fit_is_found(
    tmp_path: Path, table: str, column: str, value: object
) -> None:
    async with storage_in(tmp_path) as storage, storage.vaults.open(ANN) as vault:
        await carried_out(vault, EVERYTHING)
        document = json.loads((await export_of(storage, vault)).as_json())

    document["tables"][table][0][column] = value

    with pytest.raises(ValidationError):
        VALIDATOR.validate(document)
