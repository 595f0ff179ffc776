"""What is seen of the gateway, and how much a statement about it is worth; values, no sentences."""

import ipaddress
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

# Written out: what Python calls private also takes in addresses that anybody may be given, and
# every IPv4 address that is written as an IPv6 one.
_NEAR = tuple(
    ipaddress.ip_network(one)
    for one in (
        "127.0.0.0/8",
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "169.254.0.0/16",
        "::1/128",
        "fc00::/7",
        "fe80::/10",
    )
)


class Level(StrEnum):
    """How much a statement is worth."""

    PROVED = "proved"  # seen by the program itself
    ENFORCED = "enforced"  # demanded with each request, and refused where it can't be met
    PROMISED = "promised"  # the word of the operator, or of a company
    UNKNOWN = "unknown"


def is_near(address: str) -> bool:
    """Whether a number is the address of this machine or of one in a private network."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    ip = getattr(ip, "ipv4_mapped", None) or ip
    return any(ip in network for network in _NEAR)


@dataclass(frozen=True, slots=True)
class Observation:
    """What is known of the gateway from the connections to it, and from its own answers.

    `address` is where the last connection ended, `connected_at` when that was; `strayed` says that
    one of them ended outside of private networks. What the gateway's program says about itself
    was `asked_at`: which models run `here` and which `elsewhere`; whether it has providers that
    keep nothing (`zero_retention`), and whether it shows to others what it works on (`shows_work`),
    both None where it does not say.
    """

    address: str = ""
    connected_at: datetime | None = None
    strayed: bool = False
    asked_at: datetime | None = None
    here: frozenset[str] = frozenset()
    elsewhere: frozenset[str] = frozenset()
    zero_retention: bool | None = None
    shows_work: bool | None = None

    @property
    def near(self) -> bool:
        """Whether every connection ended on this machine or in a private network."""
        return is_near(self.address) and not self.strayed
