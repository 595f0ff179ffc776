BEGIN IMMEDIATE;

CREATE TABLE state (
    -- Single facts about the bot itself: the sync token, the audit room.
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT;

CREATE TABLE inbox (
    -- Which events were accepted and which are done; ids only, no text.
    position    INTEGER PRIMARY KEY AUTOINCREMENT, -- the order of acceptance
    event_id    TEXT NOT NULL UNIQUE,
    room_id     TEXT NOT NULL,
    accepted_at TEXT NOT NULL,  -- UTC, ISO 8601, as every *_at here
    begun       TEXT,           -- what was begun that must not be done twice: a command's name
    finished_at TEXT            -- NULL: not yet answered
) STRICT;
CREATE INDEX inbox_unfinished ON inbox (position) WHERE finished_at IS NULL;
CREATE INDEX inbox_finished ON inbox (finished_at) WHERE finished_at IS NOT NULL;

CREATE TABLE encrypted_room (
    -- Rooms that were seen encrypted once, and so are encrypted for good, whatever they claim later.
    room_id TEXT PRIMARY KEY,
    seen_at TEXT NOT NULL
) STRICT;

CREATE TABLE identity (
    -- The cross-signing master key with which a person was first met.
    user_id    TEXT PRIMARY KEY,
    master_key TEXT NOT NULL,
    seen_at    TEXT NOT NULL
) STRICT;

CREATE TABLE tenant (
    -- Who has a vault. Deleted with it, and then nothing here leads from the person to the log.
    person     BLOB PRIMARY KEY,     -- HMAC of the user id under the master key
    user_id    BLOB NOT NULL,        -- the user id, sealed by the master key
    vault_id   TEXT NOT NULL UNIQUE, -- random; the name of the file
    slot       INTEGER NOT NULL UNIQUE, -- of the keyring
    pseudonym  TEXT NOT NULL UNIQUE, -- "fox-31"
    created_at TEXT NOT NULL
) STRICT;

CREATE TABLE tombstone (
    -- Vaults that were destroyed, so that no restored backup brings one back. Says of nobody whose:
    -- the name is random, and without a rowid not even their order is kept.
    vault_id TEXT PRIMARY KEY
) STRICT, WITHOUT ROWID;

CREATE TABLE audit_entry (
    -- The public half of the audit log: no user, room or event id.
    seq         INTEGER PRIMARY KEY, -- 1, 2, 3 … without a gap
    occurred_at TEXT NOT NULL,       -- to the minute
    action      TEXT NOT NULL,
    outcome     TEXT NOT NULL,
    commitment  BLOB NOT NULL UNIQUE, -- SHA-256 over salt and details, which the vault holds
    leaf_hash   BLOB NOT NULL        -- RFC 9162: SHA-256 over 0x00 and canonical JSON of this row
) STRICT;

CREATE TRIGGER audit_entry_update BEFORE UPDATE ON audit_entry
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;

CREATE TRIGGER audit_entry_delete BEFORE DELETE ON audit_entry
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;

CREATE TABLE audit_detail (
    -- The other half of entries that concern nobody's vault, as in a vault.
    position    INTEGER PRIMARY KEY,
    commitment  BLOB NOT NULL UNIQUE,
    salt        BLOB NOT NULL,
    occurred_at TEXT NOT NULL,
    actor       TEXT NOT NULL,
    action      TEXT NOT NULL,
    target      TEXT NOT NULL,
    outcome     TEXT NOT NULL,
    facts       TEXT NOT NULL
) STRICT;

CREATE TABLE audit_feed (
    -- What the audit room has yet to be told; deleted once it was.
    seq         INTEGER PRIMARY KEY REFERENCES audit_entry (seq),
    occurred_at TEXT NOT NULL,
    pseudonym   TEXT NOT NULL,
    action      TEXT NOT NULL,
    outcome     TEXT NOT NULL,
    facts       TEXT NOT NULL
) STRICT;

PRAGMA user_version = 1;
COMMIT;
