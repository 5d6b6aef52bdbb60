-- Which engines of a session are linked to its account, as far as Lidbook was told: each has a device of its own.
CREATE TABLE link (
    session INTEGER NOT NULL,
    engine TEXT NOT NULL,
    PRIMARY KEY (session, engine)
) WITHOUT ROWID;
INSERT INTO link (session, engine) SELECT id, engine FROM session WHERE account IS NOT NULL;
