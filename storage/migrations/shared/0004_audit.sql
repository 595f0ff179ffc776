BEGIN IMMEDIATE;

CREATE TABLE audit_head (
    -- Signed heads of the audit log. Their copies in the audit room are what proves something to
    -- others: whoever can write this file and has the master key can sign another history.
    size      INTEGER PRIMARY KEY, -- of how many entries
    note      TEXT NOT NULL,       -- a C2SP checkpoint: origin, size, root, signature
    signed_at TEXT NOT NULL        -- UTC, ISO 8601
) STRICT;

CREATE TABLE retired_pseudonym (
    -- Names that went with their vaults: given out again they would make old lines in the audit
    -- room another person's. Without a rowid not even their order is kept.
    name_hash BLOB PRIMARY KEY -- HMAC of the pseudonym under the master key
) STRICT, WITHOUT ROWID;

PRAGMA user_version = 4;
COMMIT;
