"""What the bot keeps: one encrypted vault a person, and what it must know itself.

The bot uses these names and nothing else of this package.
"""

from storage.access_rules import AccessRules
from storage.answers import Answers, KeptAnswer
from storage.audit_check import Verified
from storage.audit_entry import AuditDetail, AuditEntry
from storage.audit_feed import NOBODY, SYSTEM, FeedItem
from storage.audit_log import AuditLog
from storage.audit_reading import (
    PublicEntry,
    read_audit_heads,
    read_audit_key,
    read_audit_log,
    verify_audit_log,
)
from storage.audit_tree import Proof
from storage.backup import Manifest, back_up, last_backup
from storage.census import Census
from storage.checkpoints import Checkpoint, SignedHead, notes_in, parsed, signed_with
from storage.errors import (
    AuditTampered,
    DetailsNotKept,
    InUse,
    MasterKeyError,
    StorageFailure,
    VaultGone,
)
from storage.forgetting import Erased, Forgetting
from storage.inbox import Inbox, StillWaiting
from storage.incoming import ANSWERED, SAID, Fields, Tables, UnfitTables, checked
from storage.memories import Memories
from storage.merge_plan import NOT_RESTORED, Skip
from storage.merging import Merged
from storage.opening import Storage, open_storage
from storage.passphrase import WrongPassphrase, is_sealed, seal, unseal
from storage.pending import WAITS, Notice, Pending
from storage.readings import Reading, Readings
from storage.remembered import Memory, Revision
from storage.restore import Restored, restore
from storage.rooms import Rooms
from storage.sealing import MasterKey
from storage.search import MemoryHit, Search, TurnHit
from storage.spans import EVERYWHERE, Going, Named, Spans
from storage.taking_back import UNSENT, TakingBack
from storage.tracing import Basis, Lately, Said, Traces
from storage.turns import Turn, Turns
from storage.unlearning import TakenBack
from storage.vault import Counts, Vault
from storage.vaults import Vaults
from storage.vectors import Asked, Unembedded, Vectors
from storage.withdrawals import Unlisted, Withdrawal, Withdrawals

__all__ = [
    "ANSWERED",
    "EVERYWHERE",
    "NOBODY",
    "NOT_RESTORED",
    "SAID",
    "SYSTEM",
    "UNSENT",
    "WAITS",
    "AccessRules",
    "Answers",
    "Asked",
    "AuditDetail",
    "AuditEntry",
    "AuditLog",
    "AuditTampered",
    "Basis",
    "Census",
    "Checkpoint",
    "Counts",
    "DetailsNotKept",
    "Erased",
    "FeedItem",
    "Fields",
    "Forgetting",
    "Going",
    "InUse",
    "Inbox",
    "KeptAnswer",
    "Lately",
    "Manifest",
    "MasterKey",
    "MasterKeyError",
    "Memories",
    "Memory",
    "MemoryHit",
    "Merged",
    "Named",
    "Notice",
    "Pending",
    "Proof",
    "PublicEntry",
    "Reading",
    "Readings",
    "Restored",
    "Revision",
    "Rooms",
    "Said",
    "Search",
    "SignedHead",
    "Skip",
    "Spans",
    "StillWaiting",
    "Storage",
    "StorageFailure",
    "Tables",
    "TakenBack",
    "TakingBack",
    "Traces",
    "Turn",
    "TurnHit",
    "Turns",
    "Unembedded",
    "UnfitTables",
    "Unlisted",
    "Vault",
    "VaultGone",
    "Vaults",
    "Vectors",
    "Verified",
    "Withdrawal",
    "Withdrawals",
    "WrongPassphrase",
    "back_up",
    "checked",
    "is_sealed",
    "last_backup",
    "notes_in",
    "open_storage",
    "parsed",
    "read_audit_heads",
    "read_audit_key",
    "read_audit_log",
    "restore",
    "seal",
    "signed_with",
    "unseal",
    "verify_audit_log",
]
