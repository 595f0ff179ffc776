BEGIN IMMEDIATE;

CREATE VIEW unspaced AS
-- A letter of a script that is written without spaces between words, or with endings glued to
-- them: Thai to Myanmar, Khmer, kana, Han, Hangul. storage/terms.py has the same ranges.
SELECT '[' || char(
    0x0E00, 45, 0x109F, 0x1780, 45, 0x17FF, 0x3040, 45, 0x9FFF, 0xAC00, 45, 0xD7FF,
    0xF900, 45, 0xFAFF, 0xFF66, 45, 0xFF9F
) || ']' AS letter;

-- What the full-text index holds of a row, as one text: the words, with every two neighbouring
-- letters of an unspaced script as a word; the date in words; of a turn in a shared room a word for
-- that room. A view, so that a deletion names the very words that the insertion named.

CREATE VIEW turn_document AS
SELECT turn_id, concat_ws(
    ' ',
    CASE WHEN text GLOB '*' || (SELECT letter FROM unspaced) || '*' THEN (
        WITH RECURSIVE pair (place, letters) AS (
            SELECT 1, substr(text, 1, 2)
            UNION ALL
            SELECT place + 1, substr(text, place + 1, 2) FROM pair WHERE letters <> ''
        )
        SELECT group_concat(CASE
            WHEN letters GLOB letter || letter THEN ' ' || letters
            WHEN letters GLOB letter || '*' THEN ' ' || substr(letters, 1, 1) || ' '
            ELSE substr(letters, 1, 1)
        END, '' ORDER BY place) FROM pair, unspaced
    ) ELSE text END,
    CAST(strftime('%d', said_at) AS INTEGER),
    trim(substr('January  February March    April    May      June     July     August   September'
             || 'October  November December', 9 * strftime('%m', said_at) - 8, 9)),
    strftime('%Y', said_at),
    trim(substr('Sunday   Monday   Tuesday  WednesdayThursday Friday   Saturday',
                9 * strftime('%w', said_at) + 1, 9)),
    CASE room_kind WHEN 'shared' THEN 'room' || hex(room_id) END
) AS words
FROM turn;

CREATE VIEW memory_document AS
SELECT memory_id, CASE
    WHEN text || quote GLOB '*' || (SELECT letter FROM unspaced) || '*' THEN (
        WITH RECURSIVE pair (place, letters) AS (
            SELECT 1, substr(text || ' ' || quote, 1, 2)
            UNION ALL
            SELECT place + 1, substr(text || ' ' || quote, place + 1, 2) FROM pair
            WHERE letters <> ''
        )
        SELECT group_concat(CASE
            WHEN letters GLOB letter || letter THEN ' ' || letters
            WHEN letters GLOB letter || '*' THEN ' ' || substr(letters, 1, 1) || ' '
            ELSE substr(letters, 1, 1)
        END, '' ORDER BY place) FROM pair, unspaced
    ) ELSE text || ' ' || quote
END AS words
FROM memory;

-- Scores are our own (storage/ranking.py), hence no column sizes. secure-delete takes the words of
-- a deleted row out of the index at once instead of leaving them until segments are merged.

CREATE VIRTUAL TABLE turn_index USING fts5 (
    words, content = 'turn_document', content_rowid = 'turn_id', columnsize = 0,
    tokenize = "porter unicode61 remove_diacritics 2 categories 'L* N* M* Co'"
);
INSERT INTO turn_index (turn_index, rank) VALUES ('secure-delete', 1);

CREATE VIRTUAL TABLE memory_index USING fts5 (
    words, content = 'memory_document', content_rowid = 'memory_id', columnsize = 0,
    tokenize = "porter unicode61 remove_diacritics 2 categories 'L* N* M* Co'"
);
INSERT INTO memory_index (memory_index, rank) VALUES ('secure-delete', 1);

CREATE TRIGGER turn_inserted AFTER INSERT ON turn BEGIN
    INSERT INTO turn_index (rowid, words)
    SELECT turn_id, words FROM turn_document WHERE turn_id = new.turn_id;
END;

CREATE TRIGGER turn_changing BEFORE UPDATE OF text, said_at, room_kind, room_id ON turn BEGIN
    INSERT INTO turn_index (turn_index, rowid, words)
    SELECT 'delete', turn_id, words FROM turn_document WHERE turn_id = old.turn_id;
END;

CREATE TRIGGER turn_changed AFTER UPDATE OF text, said_at, room_kind, room_id ON turn BEGIN
    INSERT INTO turn_index (rowid, words)
    SELECT turn_id, words FROM turn_document WHERE turn_id = new.turn_id;
END;

CREATE TRIGGER turn_deleted BEFORE DELETE ON turn BEGIN
    INSERT INTO turn_index (turn_index, rowid, words)
    SELECT 'delete', turn_id, words FROM turn_document WHERE turn_id = old.turn_id;
END;

CREATE TRIGGER memory_inserted AFTER INSERT ON memory BEGIN
    INSERT INTO memory_index (rowid, words)
    SELECT memory_id, words FROM memory_document WHERE memory_id = new.memory_id;
END;

CREATE TRIGGER memory_changing BEFORE UPDATE OF text, quote ON memory BEGIN
    INSERT INTO memory_index (memory_index, rowid, words)
    SELECT 'delete', memory_id, words FROM memory_document WHERE memory_id = old.memory_id;
END;

CREATE TRIGGER memory_changed AFTER UPDATE OF text, quote ON memory BEGIN
    INSERT INTO memory_index (rowid, words)
    SELECT memory_id, words FROM memory_document WHERE memory_id = new.memory_id;
END;

CREATE TRIGGER memory_deleted BEFORE DELETE ON memory BEGIN
    INSERT INTO memory_index (memory_index, rowid, words)
    SELECT 'delete', memory_id, words FROM memory_document WHERE memory_id = old.memory_id;
END;

PRAGMA user_version = 2;
COMMIT;
