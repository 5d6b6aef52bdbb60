-- What a server needs that stays up: statuses in the log, readers of the log, keys, and who did what with them.

-- One row: tells the events of this database from those of any other.
CREATE TABLE instance (id TEXT NOT NULL);
INSERT INTO instance (id) VALUES (lower(hex(randomblob(16))));

-- The last statuses a session was in, as JSON; clients are shown three.
ALTER TABLE session ADD COLUMN statuses TEXT NOT NULL DEFAULT '[]';

-- `data` is JSON, for what the other columns have no place for. Whoever reads the log skips the quiet rows.
ALTER TABLE log ADD COLUMN data TEXT;
CREATE INDEX log_told ON log (session, seq) WHERE quiet = 0;

-- Everything up to this number was pruned: whoever has not read that far has missed something.
ALTER TABLE directory ADD COLUMN pruned INTEGER NOT NULL DEFAULT 0;

-- Each engine of a session has blobs of its own: whoever goes back to an engine finds its link again.
CREATE TABLE vault_by_engine (
    session INTEGER NOT NULL,
    engine TEXT NOT NULL,
    name TEXT NOT NULL,
    value BLOB NOT NULL,
    PRIMARY KEY (session, engine, name)
) WITHOUT ROWID;
INSERT INTO vault_by_engine (session, engine, name, value)
SELECT v.session, s.engine, v.name, v.value FROM vault v JOIN session s ON s.id = v.session;
DROP TABLE vault;
ALTER TABLE vault_by_engine RENAME TO vault;

-- How far a webhook has got: everything up to `seq` was delivered, or is a dead letter. `trusted` says that an admin set
-- it as it is, so that it may lead to private addresses.
CREATE TABLE webhook (
    session INTEGER NOT NULL,
    url TEXT NOT NULL,
    seq INTEGER NOT NULL,
    trusted INTEGER NOT NULL,
    PRIMARY KEY (session, url)
) WITHOUT ROWID;

-- Events that a webhook's receiver would not take, with the body as it was sent.
CREATE TABLE dead_letter (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    session INTEGER NOT NULL,
    url TEXT NOT NULL,
    seq INTEGER NOT NULL,
    at INTEGER NOT NULL,
    event TEXT NOT NULL,
    event_id TEXT NOT NULL,
    body BLOB NOT NULL,
    attempts INTEGER NOT NULL,
    reason TEXT NOT NULL
);
CREATE INDEX dead_letter_by_session ON dead_letter (session, id);

-- Keys beside the one in the environment, known by the SHA-512 of their text alone. `session` is a row of the table
-- `session`, whose ids are never used again: a key does not outlive its session, whatever the next one is called.
-- `hint` is what lists show; `old_digest` works until `old_until`, in milliseconds, after a rotation.
CREATE TABLE api_key (
    id TEXT NOT NULL PRIMARY KEY,
    digest BLOB NOT NULL UNIQUE,
    hint TEXT NOT NULL,
    is_admin INTEGER NOT NULL,
    is_active INTEGER NOT NULL,
    session INTEGER,
    actions TEXT,
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    old_digest BLOB,
    old_until INTEGER
);

-- Who changed what, and who was refused. `session` is a name: what was done outlives the session.
CREATE TABLE audit (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    key_id TEXT NOT NULL,
    action TEXT NOT NULL,
    session TEXT,
    subject TEXT,
    status INTEGER NOT NULL,
    error TEXT,
    client TEXT
);

-- One row, written by each look at the server's health: a disk that takes no writes shows nowhere else.
CREATE TABLE heartbeat (at INTEGER NOT NULL);
INSERT INTO heartbeat (at) VALUES (0);
