BEGIN IMMEDIATE;

CREATE TABLE audit_head (
    -- Signed heads of the audit log. Their copies in the audit room are what proves something to
    -- others: whoever can write this file and has the master key can sign another history.
    size      INTEGER PRIMARY KEY, -- of how many entries
    note      TEXT NOT NULL,       -- a C2SP checkpoint: origin, size, root, signature
    signed_at TEXT NOT NULL        -- UTC, ISO 8601
) STRICT;

PRAGMA user_version = 4;
COMMIT;
