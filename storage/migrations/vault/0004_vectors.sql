BEGIN IMMEDIATE;

-- What texts mean, as numbers that a model of the gateway made of them: derived from the text and
-- as personal as it. Rows are written and deleted, never changed; a number is never used again, so
-- that whoever holds a copy of them can ask for what came after it.

CREATE TABLE turn_vector (
    vector_id INTEGER PRIMARY KEY AUTOINCREMENT,
    turn_id   INTEGER NOT NULL UNIQUE REFERENCES turn (turn_id) ON DELETE CASCADE,
    model     TEXT NOT NULL, -- who made it: vectors of two models can't be compared
    vector    BLOB NOT NULL  -- one signed byte a dimension
) STRICT;

CREATE TABLE memory_vector (
    vector_id INTEGER PRIMARY KEY AUTOINCREMENT,
    memory_id INTEGER NOT NULL UNIQUE REFERENCES memory (memory_id) ON DELETE CASCADE,
    model     TEXT NOT NULL,
    vector    BLOB NOT NULL
) STRICT;

CREATE TABLE vector_state (
    -- One row: how often vectors were deleted. A copy from before a deletion is read anew.
    deletions INTEGER NOT NULL
) STRICT;
INSERT INTO vector_state (deletions) VALUES (0);

-- Of a text that changed nothing may be left; a vector can be turned back into words, roughly.
CREATE TRIGGER turn_vector_outdated AFTER UPDATE OF text ON turn
WHEN new.text IS NOT old.text BEGIN
    DELETE FROM turn_vector WHERE turn_id = new.turn_id;
END;

CREATE TRIGGER memory_vector_outdated AFTER UPDATE OF text ON memory
WHEN new.text IS NOT old.text BEGIN
    DELETE FROM memory_vector WHERE memory_id = new.memory_id;
END;

CREATE TRIGGER turn_vector_deleted AFTER DELETE ON turn_vector BEGIN
    UPDATE vector_state SET deletions = deletions + 1;
END;

CREATE TRIGGER memory_vector_deleted AFTER DELETE ON memory_vector BEGIN
    UPDATE vector_state SET deletions = deletions + 1;
END;

PRAGMA user_version = 4;
COMMIT;
