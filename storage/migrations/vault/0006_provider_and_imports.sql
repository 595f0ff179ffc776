BEGIN IMMEDIATE;

ALTER TABLE turn ADD COLUMN provider TEXT; -- of an answer: who ran the model, as the gateway says

CREATE TABLE turn_imported (
    -- Turns that came in a file, which names what events it likes: never redacted, never edited.
    turn_id INTEGER PRIMARY KEY REFERENCES turn (turn_id) ON DELETE CASCADE
) STRICT;

PRAGMA user_version = 6;
COMMIT;
