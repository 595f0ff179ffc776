BEGIN IMMEDIATE;

ALTER TABLE turn ADD COLUMN provider TEXT; -- of an answer: who ran the model, as the gateway says

PRAGMA user_version = 6;
COMMIT;
