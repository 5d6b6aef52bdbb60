-- Sessions, and the directory of each. `session` leads every key, so that rows of one session lie together.

CREATE TABLE session (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    engine TEXT NOT NULL,
    engine_assumed INTEGER NOT NULL DEFAULT 0,
    config TEXT NOT NULL,
    desired TEXT NOT NULL CHECK (desired IN ('running', 'stopped')),
    status TEXT NOT NULL,
    reason TEXT,
    account TEXT,
    created_at INTEGER NOT NULL,
    activity_at INTEGER
);

-- What applies to a session's directory as a whole. A person is blocked by facts no older than `blocklist_at`,
-- a group is listed when it was seen no earlier than `groups_at`.
CREATE TABLE directory (
    session INTEGER PRIMARY KEY,
    seq INTEGER NOT NULL DEFAULT 0,
    blocklist_at INTEGER NOT NULL DEFAULT 0,
    groups_at INTEGER NOT NULL DEFAULT 0,
    account_lid TEXT
);

-- Tables with long rows have row ids, so that the keys stay together in indexes of their own: a row in the tree of its
-- key makes that tree twice as deep.

-- One row a phone number or LID: `state` holds its fields and links with source and time, `peer` the other half.
CREATE TABLE identifier (
    session INTEGER NOT NULL,
    id TEXT NOT NULL,
    peer TEXT,
    state BLOB NOT NULL,
    PRIMARY KEY (session, id)
);

-- The projection: one row a person, with the document that clients get.
CREATE TABLE person (
    session INTEGER NOT NULL,
    id TEXT NOT NULL,
    lid TEXT,
    mapped INTEGER NOT NULL,
    listed INTEGER NOT NULL,
    blocked INTEGER NOT NULL,
    sort_name TEXT NOT NULL,
    doc BLOB NOT NULL,
    PRIMARY KEY (session, id)
);
CREATE INDEX person_by_lid ON person (session, mapped, lid, id) WHERE lid IS NOT NULL;
CREATE INDEX person_by_listed_id ON person (session, id) WHERE listed = 1;
CREATE INDEX person_by_name ON person (session, sort_name, id) WHERE listed = 1;
CREATE INDEX person_by_block ON person (session, id) WHERE blocked = 1;

-- "group" is a word of SQL.
CREATE TABLE chat_group (
    session INTEGER NOT NULL,
    id TEXT NOT NULL,
    subject TEXT,
    seen_at INTEGER NOT NULL,
    participants_at INTEGER NOT NULL,
    state BLOB NOT NULL,
    PRIMARY KEY (session, id)
) WITHOUT ROWID;

CREATE TABLE participant (
    session INTEGER NOT NULL,
    chat_group TEXT NOT NULL,
    id TEXT NOT NULL,
    role TEXT NOT NULL,
    source TEXT NOT NULL,
    observed_at INTEGER NOT NULL,
    PRIMARY KEY (session, chat_group, id)
) WITHOUT ROWID;

-- Everything that changed, in order; `quiet` rows belong to a first sync, which announces itself once.
CREATE TABLE log (
    session INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    at INTEGER NOT NULL,
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    other TEXT,
    fields TEXT NOT NULL,
    quiet INTEGER NOT NULL,
    PRIMARY KEY (session, seq)
) WITHOUT ROWID;

-- LIDs that somebody asked for and whose phone number is not known.
CREATE TABLE watch (
    session INTEGER NOT NULL,
    lid TEXT NOT NULL,
    since INTEGER NOT NULL,
    asked_at INTEGER NOT NULL,
    PRIMARY KEY (session, lid)
) WITHOUT ROWID;

CREATE TABLE sync (
    session INTEGER NOT NULL,
    feed TEXT NOT NULL,
    started_at INTEGER NOT NULL,
    expected INTEGER,
    received INTEGER,
    completed_at INTEGER,
    first_completed_at INTEGER,
    PRIMARY KEY (session, feed)
) WITHOUT ROWID;

CREATE TABLE vault (
    session INTEGER NOT NULL,
    name TEXT NOT NULL,
    value BLOB NOT NULL,
    PRIMARY KEY (session, name)
) WITHOUT ROWID;
