"""On the command line, a failure of storage is one of ours: storage itself knows none of them."""

from collections.abc import Iterator
from contextlib import contextmanager

from bot.errors import StorageError
from storage import StorageFailure


@contextmanager
def explained() -> Iterator[None]:
    """Raise StorageError, with the same sentence, where storage fails inside."""
    try:
        yield
    except StorageFailure as failure:
        raise StorageError(str(failure)) from failure
