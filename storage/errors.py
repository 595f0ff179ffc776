"""What storage raises for failures it knows: clear sentences, never content."""


class StorageFailure(Exception):  # noqa: N818 - the sentence is what matters, callers wrap it
    """Something in the data directory can't be opened, read or written; `str()` says what."""


class MasterKeyError(StorageFailure, ValueError):
    """The master key is missing, damaged, or not the one this data was made with."""


class VaultGone(StorageFailure):
    """The vault was destroyed while somebody still worked with it."""


class AuditTampered(StorageFailure):
    """The audit log does not agree with itself: somebody changed it."""
