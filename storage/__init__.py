"""What the bot keeps: one encrypted vault a person, and what it must know itself.

The bot uses these names and nothing else of this package.
"""

from storage.audit_entry import AuditEntry
from storage.audit_log import SYSTEM, AuditLog, FeedItem
from storage.errors import AuditTampered, MasterKeyError, StorageFailure
from storage.inbox import Inbox
from storage.memories import Memories, Memory, Revision
from storage.opening import Storage, open_storage
from storage.rooms import Rooms
from storage.sealing import MasterKey
from storage.search import MemoryHit, Search, TurnHit
from storage.turns import Turn, Turns
from storage.vault import Counts, Vault
from storage.vaults import Destroyed, Vaults

__all__ = [
    "SYSTEM",
    "AuditEntry",
    "AuditLog",
    "AuditTampered",
    "Counts",
    "Destroyed",
    "FeedItem",
    "Inbox",
    "MasterKey",
    "MasterKeyError",
    "Memories",
    "Memory",
    "MemoryHit",
    "Revision",
    "Rooms",
    "Search",
    "Storage",
    "StorageFailure",
    "Turn",
    "TurnHit",
    "Turns",
    "Vault",
    "Vaults",
    "open_storage",
]
