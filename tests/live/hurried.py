"""The bot with a hundredth of its patience: `python tests/live/hurried.py run --config FILE`.

For tests that send hundreds of invites and want to see all of them answered.
"""

import sys

from bot import membership
from bot.__main__ import main

if __name__ == "__main__":
    membership.JOINING /= 100
    membership.REJECTING /= 100
    sys.exit(main())
