BEGIN IMMEDIATE;

CREATE TABLE memory (
    -- What the bot keeps about this person, each as one short sentence.
    memory_id       INTEGER PRIMARY KEY AUTOINCREMENT, -- the number a person types; never reused
    text            TEXT NOT NULL,
    digest          BLOB NOT NULL,  -- SHA-256 of the text without case and white space: finds twins
    quote           TEXT NOT NULL,  -- the person's own words it rests on; '' when typed by hand
    origin          TEXT NOT NULL CHECK (origin IN ('person', 'model', 'import')),
    status          TEXT NOT NULL CHECK (status IN ('active', 'pending', 'superseded')),
    source_event_id TEXT,           -- the message it was learned from
    source_room_id  TEXT,
    room_kind       TEXT NOT NULL CHECK (room_kind IN ('direct', 'shared')),
    pinned          INTEGER NOT NULL DEFAULT 0 CHECK (pinned IN (0, 1)),
    created_at      TEXT NOT NULL,  -- UTC, ISO 8601, as every *_at here
    updated_at      TEXT NOT NULL,
    valid_until     TEXT,           -- NULL: until deleted
    superseded_by   INTEGER REFERENCES memory (memory_id) ON DELETE SET NULL
) STRICT;
CREATE INDEX memory_digest ON memory (digest);
CREATE INDEX memory_source ON memory (source_event_id) WHERE source_event_id IS NOT NULL;
CREATE INDEX memory_superseded_by ON memory (superseded_by) WHERE superseded_by IS NOT NULL;

CREATE TABLE memory_share (
    -- Shared rooms in which the owner lets this memory be used.
    memory_id INTEGER NOT NULL REFERENCES memory (memory_id) ON DELETE CASCADE,
    room_id   TEXT NOT NULL,
    shared_at TEXT NOT NULL,
    PRIMARY KEY (memory_id, room_id)
) STRICT;

CREATE TABLE memory_revision (
    -- What a memory said before a change.
    revision_id INTEGER PRIMARY KEY,
    memory_id   INTEGER NOT NULL REFERENCES memory (memory_id) ON DELETE CASCADE,
    text        TEXT NOT NULL,
    changed_by  TEXT NOT NULL CHECK (changed_by IN ('person', 'model', 'import')),
    changed_at  TEXT NOT NULL
) STRICT;
CREATE INDEX memory_revision_memory ON memory_revision (memory_id);

CREATE TABLE turn (
    -- What was said to the bot and by it, verbatim.
    turn_id           INTEGER PRIMARY KEY,
    event_id          TEXT NOT NULL UNIQUE,
    room_id           TEXT NOT NULL,
    room_kind         TEXT NOT NULL CHECK (room_kind IN ('direct', 'shared')),
    thread_id         TEXT,
    role              TEXT NOT NULL CHECK (role IN ('user', 'assistant')),
    text              TEXT NOT NULL,
    note              TEXT NOT NULL DEFAULT '', -- what the bot wrote under a model's words
    said_at           TEXT NOT NULL,
    answers_event_id  TEXT,      -- of an answer: the question's event id
    model             TEXT,      -- of an answer: who wrote it, and at what cost
    gateway_host      TEXT,
    prompt_tokens     INTEGER,
    completion_tokens INTEGER
) STRICT;
CREATE INDEX turn_room ON turn (room_id, turn_id);
CREATE INDEX turn_answers ON turn (answers_event_id) WHERE answers_event_id IS NOT NULL;

CREATE TABLE memory_use (
    -- Which answer was given with which memory in the prompt.
    answer_event_id TEXT NOT NULL,
    memory_id       INTEGER NOT NULL REFERENCES memory (memory_id) ON DELETE CASCADE,
    used_at         TEXT NOT NULL,
    PRIMARY KEY (answer_event_id, memory_id)
) STRICT;
CREATE INDEX memory_use_memory ON memory_use (memory_id);

-- A memory as its owner sees it: with how often it was used and where it is shared.
CREATE VIEW memory_listed AS
SELECT memory.*,
       (SELECT count(*) FROM memory_use
        WHERE memory_use.memory_id = memory.memory_id) AS uses,
       (SELECT json_group_array(room_id ORDER BY shared_at) FROM memory_share
        WHERE memory_share.memory_id = memory.memory_id) AS shared_in
FROM memory;

CREATE TABLE turn_use (
    -- Which answer was given with which earlier message in the prompt.
    answer_event_id TEXT NOT NULL,
    turn_id         INTEGER NOT NULL REFERENCES turn (turn_id) ON DELETE CASCADE,
    PRIMARY KEY (answer_event_id, turn_id)
) STRICT;
CREATE INDEX turn_use_turn ON turn_use (turn_id);

CREATE TABLE setting (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT;

CREATE TABLE usage (
    day               TEXT NOT NULL, -- UTC date
    model             TEXT NOT NULL,
    requests          INTEGER NOT NULL,
    prompt_tokens     INTEGER NOT NULL,
    completion_tokens INTEGER NOT NULL,
    PRIMARY KEY (day, model)
) STRICT;

CREATE TABLE audit_detail (
    -- The half of an audit entry that concerns this person; shared.db holds only its commitment.
    position    INTEGER PRIMARY KEY, -- the order of writing
    commitment  BLOB NOT NULL UNIQUE, -- SHA-256 over salt and canonical JSON of the fields below
    salt        BLOB NOT NULL,
    occurred_at TEXT NOT NULL,
    actor       TEXT NOT NULL,
    action      TEXT NOT NULL,
    target      TEXT NOT NULL,
    outcome     TEXT NOT NULL,
    facts       TEXT NOT NULL        -- JSON: counts, sizes, durations, model; never text
) STRICT;

PRAGMA user_version = 1;
COMMIT;
