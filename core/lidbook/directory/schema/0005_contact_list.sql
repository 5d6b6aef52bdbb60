-- As of when the newest whole list of contacts is: a name from the address book counts when it is no older, or when that
-- list names the person.
ALTER TABLE directory ADD COLUMN contacts_at INTEGER NOT NULL DEFAULT 0;
