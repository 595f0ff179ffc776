BEGIN IMMEDIATE;

-- A memory that waits to be approved (status 'pending').
ALTER TABLE memory ADD COLUMN notice_event_id TEXT; -- the notice that asks: a reaction to it decides
ALTER TABLE memory ADD COLUMN replaces INTEGER      -- the memory that it would change; NULL: a new one
    REFERENCES memory (memory_id) ON DELETE CASCADE;
CREATE INDEX memory_notice ON memory (notice_event_id) WHERE notice_event_id IS NOT NULL;
CREATE INDEX memory_replaces ON memory (replaces) WHERE replaces IS NOT NULL;

CREATE TABLE memory_said (
    -- Further messages in which the person said what a memory says, and in which words.
    memory_id INTEGER NOT NULL REFERENCES memory (memory_id) ON DELETE CASCADE,
    event_id  TEXT NOT NULL,
    room_id   TEXT NOT NULL,
    quote     TEXT NOT NULL,
    said_at   TEXT NOT NULL,
    PRIMARY KEY (memory_id, event_id)
) STRICT;
CREATE INDEX memory_said_event ON memory_said (event_id);

-- What a former text rested on, so that taking back the message that changed it brings it back.
ALTER TABLE memory_revision ADD COLUMN quote TEXT NOT NULL DEFAULT '';
ALTER TABLE memory_revision ADD COLUMN source_event_id TEXT;
ALTER TABLE memory_revision ADD COLUMN source_room_id TEXT;
ALTER TABLE memory_revision ADD COLUMN valid_until TEXT;
CREATE INDEX memory_revision_source ON memory_revision (source_event_id)
    WHERE source_event_id IS NOT NULL;

-- Until now a change left the source where it was, and only a person could change anything: it is
-- that of the first text. What the person typed in its place has none.
UPDATE memory_revision SET (quote, source_event_id, source_room_id) = (
    SELECT quote, source_event_id, source_room_id FROM memory
    WHERE memory.memory_id = memory_revision.memory_id
) WHERE revision_id IN (SELECT min(revision_id) FROM memory_revision GROUP BY memory_id);
UPDATE memory SET quote = '', source_event_id = NULL
WHERE memory_id IN (SELECT memory_id FROM memory_revision);

CREATE TABLE turn_part (
    -- The events after the first that hold a turn: of a long answer its later parts, of a message
    -- the edits that were carried through.
    event_id TEXT PRIMARY KEY,
    turn_id  INTEGER NOT NULL REFERENCES turn (turn_id) ON DELETE CASCADE
) STRICT;
CREATE INDEX turn_part_turn ON turn_part (turn_id);

PRAGMA user_version = 3;
COMMIT;
