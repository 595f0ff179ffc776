"""The bot with a hundredth of its patience: `python tests/live/hurried.py run --config FILE`.

For tests that send hundreds of invites and want to see all of them answered, or that wait until the
feed tries a room again.
"""

import sys

from bot import audit_feed, membership
from bot.__main__ import main

if __name__ == "__main__":
    audit_feed.REFUSED = 1
    membership.JOINING /= 100
    membership.REJECTING /= 100
    sys.exit(main())
