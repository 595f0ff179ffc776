"""Migrations: numbered SQL files, each one transaction that ends by setting its user_version."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from importlib.resources.abc import Traversable

from storage.errors import StorageFailure


@dataclass(frozen=True, slots=True)
class Migration:
    """One file `NNNN_name.sql`: the step from schema number - 1 to schema number."""

    number: int
    sql: str = field(repr=False)


def migrations_of(kind: str) -> Traversable:
    """The folder of migrations for one kind of file, "shared" or "vault"."""
    return files("storage").joinpath("migrations", kind)


def load_migrations(folder: Traversable) -> list[Migration]:
    """Every migration of a folder, in order, numbered 1, 2, 3 … without a gap."""
    names = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".sql"))
    steps = [Migration(int(name[:4]), folder.joinpath(name).read_text("utf-8")) for name in names]
    assert [step.number for step in steps] == list(range(1, len(steps) + 1)), names
    return steps


def pending(steps: Sequence[Migration], version: int, *, name: str) -> Sequence[Migration]:
    """The steps that a file of this version still needs; a newer file is refused."""
    if version > len(steps):
        raise StorageFailure(
            f"{name} was written by a newer version of Confidant "
            f"(schema {version}, this one knows {len(steps)}): upgrade Confidant."
        )
    return steps[version:]
