BEGIN IMMEDIATE;

-- `!forget everything` as a job that survives a crash at any point: ids and counts, nobody's name in
-- clear. Its rows go when nothing of it is left to do; of the person only `forgotten` stays.

CREATE TABLE forgotten (
    -- Until when what a person said is forgotten, so that nothing which comes late is learned.
    person       BLOB PRIMARY KEY, -- HMAC of the user id under the master key, as in tenant
    until        TEXT NOT NULL,    -- by the clock of the person's homeserver
    forgotten_at TEXT NOT NULL     -- UTC, ISO 8601, as every *_at here; 30 days later the row goes
) STRICT, WITHOUT ROWID;

CREATE TABLE forgetting (
    -- The jobs. Written while the vault can be read; from then on there is no way back.
    event_id      TEXT PRIMARY KEY, -- of the message that confirmed it, which the receipt answers
    room_id       TEXT NOT NULL,    -- where the receipt goes
    user_id       BLOB NOT NULL,    -- sealed by the master key
    vault_id      TEXT NOT NULL,    -- '': there was none
    accepted      INTEGER NOT NULL, -- inbox.position: up to there it is from before
    memories      INTEGER NOT NULL, -- what went, for the receipt
    turns         INTEGER NOT NULL,
    audit_entries INTEGER NOT NULL,
    bytes         INTEGER NOT NULL,
    withdrawals   INTEGER NOT NULL, -- messages of the bot to be withdrawn, as far as the vault knew
    imported      INTEGER NOT NULL, -- answers in rooms with others that only a file told of
    private       INTEGER NOT NULL, -- answers there of which nothing was kept
    until         TEXT NOT NULL,    -- as in forgotten
    planned_at    TEXT NOT NULL,
    erased_at     TEXT,             -- key and files are gone, and the rows here that led to them
    searched_at   TEXT,             -- the homeserver has named the person's other direct chats
    receipted_at  TEXT              -- the person has the receipt
) STRICT;
CREATE INDEX forgetting_vault ON forgetting (vault_id);

CREATE TABLE forgetting_room (
    -- Direct chats with the person: what waits there for its key waits no longer.
    job     TEXT NOT NULL, -- forgetting.event_id
    room_id TEXT NOT NULL,
    PRIMARY KEY (job, room_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE withdrawal (
    -- The bot's own messages that are to be redacted.
    position INTEGER PRIMARY KEY, -- the order in which they are
    event_id TEXT NOT NULL UNIQUE,
    room_id  TEXT NOT NULL,
    job      TEXT NOT NULL -- forgetting.event_id; '': not everything is forgotten
) STRICT;
CREATE INDEX withdrawal_job ON withdrawal (job);
CREATE INDEX withdrawal_room ON withdrawal (room_id);

CREATE TABLE withdrawal_search (
    -- Rooms all of whose messages of the bot are to be redacted, and still have to be listed.
    room_id TEXT PRIMARY KEY,
    until   TEXT NOT NULL, -- those up to then, by the homeserver's clock
    job     TEXT NOT NULL  -- as in withdrawal
) STRICT;

PRAGMA user_version = 3;
COMMIT;
