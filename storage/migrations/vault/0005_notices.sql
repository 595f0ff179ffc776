BEGIN IMMEDIATE;

CREATE TABLE notice (
    -- The notices that ask, each until what became of it stands in its place.
    event_id TEXT PRIMARY KEY,
    room_id  TEXT NOT NULL,
    became   TEXT NOT NULL DEFAULT 'rejected' -- also what went with its message, or by its number
        CHECK (became IN ('approved', 'rejected', 'expired'))
) STRICT;

INSERT INTO notice (event_id, room_id)
SELECT DISTINCT notice_event_id, source_room_id FROM memory
WHERE status = 'pending' AND notice_event_id IS NOT NULL AND source_room_id IS NOT NULL;

PRAGMA user_version = 5;
COMMIT;
