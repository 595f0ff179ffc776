"""The bot with one promise broken: every send has a random transaction id.

    python benchmarks/_control.py run --config FILE

For `benchmarks/crash.py` alone, which has to see what a kill between a send and its record does
when the homeserver can't tell that it is the same send.
"""

import secrets
import sys

from bot.__main__ import main
from bot.delivery import Address


def _random(self: Address, name: str) -> str:
    return secrets.token_hex(16)


if __name__ == "__main__":
    Address.part = _random  # type: ignore[method-assign]
    sys.exit(main())
