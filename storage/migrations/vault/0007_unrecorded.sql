BEGIN IMMEDIATE;

CREATE TABLE unrecorded (
    -- What was changed and has no audit entry yet, noted in the transaction of the change itself.
    position INTEGER PRIMARY KEY,
    occasion TEXT NOT NULL DEFAULT '', -- the opening of the vault in which it was changed
    action   TEXT NOT NULL,            -- as in an audit entry
    target   TEXT NOT NULL,
    UNIQUE (occasion, action, target)
) STRICT;

CREATE TABLE unpublished (
    -- Details of which a crash or a failure may have kept the public half back.
    commitment BLOB PRIMARY KEY
) STRICT, WITHOUT ROWID;

CREATE TRIGGER memory_made_unrecorded AFTER INSERT ON memory BEGIN
    INSERT INTO unrecorded (action, target)
    SELECT 'memory.created', 'memory ' || new.memory_id;
END;

CREATE TRIGGER memory_changed_unrecorded
AFTER UPDATE OF text, quote, status, pinned, valid_until ON memory
WHEN (new.text, new.quote, new.status, new.pinned, new.valid_until)
    IS NOT (old.text, old.quote, old.status, old.pinned, old.valid_until) BEGIN
    INSERT INTO unrecorded (action, target)
    SELECT action, target FROM (SELECT
        CASE old.status WHEN 'pending' THEN 'memory.created' ELSE 'memory.updated' END AS action,
        'memory ' || new.memory_id AS target
    ) AS change WHERE NOT EXISTS (
        SELECT 1 FROM unrecorded AS noted
        WHERE occasion = '' AND noted.action = change.action AND noted.target = change.target
    );
END;

CREATE TRIGGER memory_gone_unrecorded AFTER DELETE ON memory BEGIN
    INSERT INTO unrecorded (action, target)
    SELECT 'memory.deleted', 'memory ' || old.memory_id;
END;

CREATE TRIGGER memory_shared_unrecorded AFTER INSERT ON memory_share BEGIN
    INSERT INTO unrecorded (action, target)
    SELECT 'memory.shared', 'memory ' || new.memory_id WHERE NOT EXISTS (
        SELECT 1 FROM unrecorded WHERE occasion = ''
        AND action = 'memory.shared' AND target = 'memory ' || new.memory_id
    );
END;

CREATE TRIGGER memory_unshared_unrecorded AFTER DELETE ON memory_share
WHEN EXISTS (SELECT 1 FROM memory WHERE memory_id = old.memory_id) BEGIN
    INSERT INTO unrecorded (action, target)
    SELECT 'memory.shared', 'memory ' || old.memory_id WHERE NOT EXISTS (
        SELECT 1 FROM unrecorded WHERE occasion = ''
        AND action = 'memory.shared' AND target = 'memory ' || old.memory_id
    );
END;

-- Messages go by the thousand: one row a transaction. The answers go with them, or are replaced.
CREATE TRIGGER turn_gone_unrecorded AFTER DELETE ON turn WHEN old.role = 'user' BEGIN
    INSERT INTO unrecorded (action, target) SELECT 'forget.done', '' WHERE NOT EXISTS (
        SELECT 1 FROM unrecorded WHERE occasion = '' AND action = 'forget.done' AND target = ''
    );
END;

-- Those settings that people make; the bot's own notes lie in the same table.
CREATE TRIGGER setting_made_unrecorded AFTER INSERT ON setting
WHEN new.name IN ('memory.mode', 'retention', 'digest') OR new.name LIKE 'private !%' BEGIN
    INSERT INTO unrecorded (action, target) SELECT 'settings.changed', '' WHERE NOT EXISTS (
        SELECT 1 FROM unrecorded WHERE occasion = '' AND action = 'settings.changed'
    );
END;

CREATE TRIGGER setting_changed_unrecorded AFTER UPDATE OF value ON setting
WHEN new.value IS NOT old.value
AND (new.name IN ('memory.mode', 'retention', 'digest') OR new.name LIKE 'private !%') BEGIN
    INSERT INTO unrecorded (action, target) SELECT 'settings.changed', '' WHERE NOT EXISTS (
        SELECT 1 FROM unrecorded WHERE occasion = '' AND action = 'settings.changed'
    );
END;

PRAGMA user_version = 7;
COMMIT;
