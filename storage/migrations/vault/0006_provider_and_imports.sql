BEGIN IMMEDIATE;

ALTER TABLE turn ADD COLUMN provider TEXT; -- of an answer: who ran the model, as the gateway says

CREATE TABLE turn_imported (
    -- Turns that came in a file, which names what events it likes: never redacted, never edited.
    turn_id INTEGER PRIMARY KEY REFERENCES turn (turn_id) ON DELETE CASCADE
) STRICT;

-- A notice repeats what it asks about: it is known until that goes, so that it leaves the room too.
ALTER TABLE notice ADD COLUMN source_event_id TEXT; -- the message that proposed what it asks about
ALTER TABLE notice ADD COLUMN settled INTEGER NOT NULL DEFAULT 0 -- what became of it stands there
    CHECK (settled IN (0, 1));
CREATE INDEX notice_source ON notice (source_event_id) WHERE source_event_id IS NOT NULL;

UPDATE notice SET source_event_id = (
    SELECT source_event_id FROM memory WHERE notice_event_id = notice.event_id
);
-- Until now it was not known any more once it was settled. A former text says where that was asked.
INSERT OR IGNORE INTO notice (event_id, room_id, became, source_event_id, settled)
SELECT notice_event_id, coalesce(first.source_room_id, memory.source_room_id), 'approved',
    coalesce(first.source_event_id, memory.source_event_id), 1
FROM memory LEFT JOIN memory_revision AS first ON revision_id = (
    SELECT min(revision_id) FROM memory_revision AS former
    WHERE former.memory_id = memory.memory_id
)
WHERE notice_event_id IS NOT NULL AND status <> 'pending'
AND coalesce(first.source_room_id, memory.source_room_id) IS NOT NULL;

PRAGMA user_version = 6;
COMMIT;
