-- The contacts of a session in the order of a list, each with the document that clients get, so that a page lies
-- together on the disk. Filled when a page is first asked for, and kept from then on: `directory.listed_by` says which.
-- `place` is the key of the order in one text: a comparison of one column costs a tenth less than one of two.

CREATE TABLE listing (
    session INTEGER NOT NULL,
    sort INTEGER NOT NULL,
    place TEXT NOT NULL,
    doc BLOB NOT NULL,
    PRIMARY KEY (session, sort, place)
) WITHOUT ROWID;

ALTER TABLE directory ADD COLUMN listed_by INTEGER NOT NULL DEFAULT 0;
