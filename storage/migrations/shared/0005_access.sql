BEGIN IMMEDIATE;

CREATE TABLE access_rule (
    -- What operators decided in the audit room, over access.users of the configuration. Names nobody
    -- to whoever has only this file.
    pattern_hash BLOB PRIMARY KEY, -- HMAC of the pattern under the master key
    pattern      BLOB NOT NULL,    -- "@ann:example.org" or "@*:example.org", sealed by the master key
    verdict      TEXT NOT NULL CHECK (verdict IN ('allow', 'block')),
    set_at       TEXT NOT NULL     -- UTC, ISO 8601, as every *_at
) STRICT, WITHOUT ROWID;

PRAGMA user_version = 5;
COMMIT;
