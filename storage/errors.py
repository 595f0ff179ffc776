"""What storage raises for failures it knows: clear sentences, never content."""

_SQLITE = {
    "SQLITE_NOTADB": "it is damaged, or its key is not this one",
    "SQLITE_CORRUPT": "it is damaged; restore it from a backup",
    "SQLITE_FULL": "the disk is full",
    "SQLITE_CANTOPEN": "it can't be opened; check the data directory and its permissions",
    "SQLITE_READONLY": "it can't be written; check its permissions",
    "SQLITE_PERM": "access to it was denied; check its permissions",
    "SQLITE_BUSY": "another program holds it",
    "SQLITE_LOCKED": "another program holds it",
    "SQLITE_IOERR": "the disk failed while reading or writing it",
    "SQLITE_NOMEM": "there is not enough memory",
}


class StorageFailure(Exception):  # noqa: N818 - the sentence is what matters, callers wrap it
    """Something in the data directory can't be opened, read or written; `str()` says what."""


class InUse(StorageFailure):
    """Another process, the running bot most likely, holds the data directory."""


class MasterKeyError(StorageFailure, ValueError):
    """The master key is missing, damaged, or not the one this data was made with."""


class VaultGone(StorageFailure):
    """The vault, or the message in it, was erased while somebody still worked with it."""


class DetailsNotKept(StorageFailure):
    """The private halves of audit entries could not be written into a vault."""


class AuditTampered(StorageFailure):
    """The audit log does not agree with itself: somebody changed it."""


def sqlite_failure(name: str) -> str:
    """What an error of SQLite means to an operator, by its name or the beginning of that."""
    primary = "_".join(name.split("_")[:2])
    return _SQLITE.get(primary, "it could not be read or written")
