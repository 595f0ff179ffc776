BEGIN IMMEDIATE;

CREATE TABLE reading (
    -- In which event each room message was read: in any other event it is a replay, for ever.
    -- Digests under a key of the master key, so that nobody else can tell of whom or what they are.
    session       BLOB NOT NULL,    -- of the sending device and its session
    message_index INTEGER NOT NULL, -- the message's number in that session
    event         BLOB NOT NULL,    -- of the event's id
    PRIMARY KEY (session, message_index)
) STRICT, WITHOUT ROWID;

CREATE TABLE handled (
    -- Events that were finished and whose inbox rows are gone: redelivered, they are not new, ever.
    -- Digests like those above.
    event BLOB PRIMARY KEY
) STRICT, WITHOUT ROWID;

CREATE TABLE waiting (
    -- Encrypted events that can't be read yet; ids only. Each leaves when it is accepted into the
    -- inbox, or given up.
    position   INTEGER PRIMARY KEY AUTOINCREMENT, -- the order of arrival
    event_id   TEXT NOT NULL UNIQUE,
    room_id    TEXT NOT NULL,
    arrived_at TEXT NOT NULL,
    told_at    TEXT                               -- when its sender was told; NULL: not yet
) STRICT;
CREATE INDEX waiting_arrived ON waiting (arrived_at);

PRAGMA user_version = 2;
COMMIT;
