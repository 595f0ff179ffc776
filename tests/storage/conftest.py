"""Real files: a plain vault database, and a whole data directory."""

from collections.abc import AsyncIterator, Iterable
from pathlib import Path

import pytest

from storage import MasterKey, Storage, open_storage
from storage.database import Database

MASTER_SECRET = "ab" * 32


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def master_key(data: Path) -> MasterKey:
    return MasterKey.load(MASTER_SECRET, data)


@pytest.fixture
async def storage(data: Path, master_key: MasterKey) -> AsyncIterator[Storage]:
    async with open_storage(data, master_key) as opened:
        yield opened


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    """A vault without a key, so that its files can be searched for what must be gone."""
    opened = await Database.open(tmp_path / "plain.db", migrations="vault")
    async with opened:
        yield opened


def holding(needle: bytes, paths: Iterable[Path]) -> list[Path]:
    """Those of the files that contain the bytes."""
    return [path for path in paths if path.is_file() and needle in path.read_bytes()]


def everything_under(folder: Path) -> list[Path]:
    """Every file of a data directory."""
    return [path for path in folder.rglob("*") if path.is_file()]
