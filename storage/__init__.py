"""What the bot keeps: one encrypted vault a person, and what it must know itself.

The bot uses these names and nothing else of this package.
"""

from storage.answers import Answers, KeptAnswer
from storage.audit_entry import AuditEntry
from storage.audit_log import SYSTEM, AuditLog, FeedItem
from storage.audit_reading import PublicEntry, read_audit_log, verify_audit_log
from storage.backup import Manifest, back_up
from storage.errors import AuditTampered, MasterKeyError, StorageFailure, VaultGone
from storage.inbox import Inbox, StillWaiting
from storage.memories import Memories
from storage.opening import Storage, open_storage
from storage.pending import WAITS, Notice, Pending
from storage.readings import Reading, Readings
from storage.remembered import Memory, Revision
from storage.restore import Restored, restore
from storage.rooms import Rooms
from storage.sealing import MasterKey
from storage.search import MemoryHit, Search, TurnHit
from storage.taking_back import TakenBack, TakingBack
from storage.tracing import Basis, Lately, Said, Traces
from storage.turns import Turn, Turns
from storage.vault import Counts, Vault
from storage.vaults import Destroyed, Vaults
from storage.vectors import Asked, Unembedded, Vectors

__all__ = [
    "SYSTEM",
    "WAITS",
    "Answers",
    "Asked",
    "AuditEntry",
    "AuditLog",
    "AuditTampered",
    "Basis",
    "Counts",
    "Destroyed",
    "FeedItem",
    "Inbox",
    "KeptAnswer",
    "Lately",
    "Manifest",
    "MasterKey",
    "MasterKeyError",
    "Memories",
    "Memory",
    "MemoryHit",
    "Notice",
    "Pending",
    "PublicEntry",
    "Reading",
    "Readings",
    "Restored",
    "Revision",
    "Rooms",
    "Said",
    "Search",
    "StillWaiting",
    "Storage",
    "StorageFailure",
    "TakenBack",
    "TakingBack",
    "Traces",
    "Turn",
    "TurnHit",
    "Turns",
    "Unembedded",
    "Vault",
    "VaultGone",
    "Vaults",
    "Vectors",
    "back_up",
    "open_storage",
    "read_audit_log",
    "restore",
    "verify_audit_log",
]
