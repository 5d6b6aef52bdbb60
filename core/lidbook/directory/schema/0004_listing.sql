-- The contacts of a session in the order of a list, each with the document that clients get, so that a page lies
-- together on the disk. Filled when a page is first asked for, and kept from then on: `directory.listed_by` says which.

CREATE TABLE listing (
    session INTEGER NOT NULL,
    sort INTEGER NOT NULL,
    key TEXT NOT NULL,
    id TEXT NOT NULL,
    doc BLOB NOT NULL,
    PRIMARY KEY (session, sort, key, id)
) WITHOUT ROWID;

ALTER TABLE directory ADD COLUMN listed_by INTEGER NOT NULL DEFAULT 0;
