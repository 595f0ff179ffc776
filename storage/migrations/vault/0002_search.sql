BEGIN IMMEDIATE;

CREATE VIEW unspaced AS
-- A letter of a script that is written without spaces between words, or with endings glued to
-- them: Thai to Myanmar, Khmer, kana, Han, Hangul. storage/terms.py knows the same ranges.
SELECT '[฀-႟ក-៿぀-鿿가-퟿豈-﫿ｦ-ﾟ]' AS letter;

-- What the full-text index holds of a row, as one text: the words, the date in words, of unspaced
-- scripts every two neighbouring letters, and of a turn in a shared room a word for that room.
-- A view, so that a deletion names the very words that the insertion named.

CREATE VIEW turn_document AS
SELECT turn_id, concat_ws(
    ' ', text,
    CAST(strftime('%d', said_at) AS INTEGER),
    trim(substr('January  February March    April    May      June     July     August   September'
             || 'October  November December', 9 * strftime('%m', said_at) - 8, 9)),
    strftime('%Y', said_at),
    trim(substr('Sunday   Monday   Tuesday  WednesdayThursday Friday   Saturday',
                9 * strftime('%w', said_at) + 1, 9)),
    CASE WHEN text GLOB '*' || (SELECT letter FROM unspaced) || '*' THEN (
        WITH RECURSIVE pair (letters, rest) AS (
            SELECT substr(text, 1, 2), substr(text, 2)
            UNION ALL
            SELECT substr(rest, 1, 2), substr(rest, 2) FROM pair WHERE rest <> ''
        )
        SELECT group_concat(iif(letters GLOB letter || letter, letters, substr(letters, 1, 1)), ' ')
        FROM pair, unspaced WHERE letters GLOB letter || '*'
    ) END,
    CASE room_kind WHEN 'shared' THEN 'room' || hex(room_id) END
) AS words
FROM turn;

CREATE VIEW memory_document AS
SELECT memory_id, concat_ws(
    ' ', text, quote,
    CASE WHEN text || quote GLOB '*' || (SELECT letter FROM unspaced) || '*' THEN (
        WITH RECURSIVE pair (letters, rest) AS (
            SELECT '', text || ' ' || quote
            UNION ALL
            SELECT substr(rest, 1, 2), substr(rest, 2) FROM pair WHERE rest <> ''
        )
        SELECT group_concat(iif(letters GLOB letter || letter, letters, substr(letters, 1, 1)), ' ')
        FROM pair, unspaced WHERE letters GLOB letter || '*'
    ) END
) AS words
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
