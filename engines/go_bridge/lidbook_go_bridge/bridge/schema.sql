-- What the host itself keeps of a session, beside whatsmeow's own tables in the same file.

-- Small things by name.
CREATE TABLE IF NOT EXISTS lidbook_note (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

-- The account's address book, a row for each index of the app state; `at` is the time of its last change.
CREATE TABLE IF NOT EXISTS lidbook_contact (
  kind TEXT NOT NULL,
  jid TEXT NOT NULL,
  first_name TEXT NOT NULL,
  full_name TEXT NOT NULL,
  phone TEXT NOT NULL,
  lid TEXT NOT NULL,
  username TEXT NOT NULL,
  at INTEGER NOT NULL,
  PRIMARY KEY (kind, jid)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS lidbook_contact_phone ON lidbook_contact (phone);
CREATE INDEX IF NOT EXISTS lidbook_contact_lid ON lidbook_contact (lid);

-- Everybody whom history or a message showed, with what it said; 0 and '' are unknown.
CREATE TABLE IF NOT EXISTS lidbook_seen (
  id TEXT PRIMARY KEY,
  chat_at INTEGER NOT NULL DEFAULT 0,
  pushname TEXT NOT NULL DEFAULT '',
  pushname_at INTEGER NOT NULL DEFAULT 0,
  username TEXT NOT NULL DEFAULT '',
  username_at INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;

-- Pairs of the history, with the time from which it tells them.
CREATE TABLE IF NOT EXISTS lidbook_pair (lid TEXT PRIMARY KEY, phone TEXT NOT NULL, at INTEGER NOT NULL) WITHOUT ROWID;

-- Parts of the history whose facts were not acknowledged yet, with the message that brought them.
CREATE TABLE IF NOT EXISTS lidbook_history (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  at INTEGER NOT NULL,
  message TEXT NOT NULL,
  part BLOB NOT NULL
);

-- Facts of messages and notifications that were not acknowledged yet; WhatsApp sends neither again.
CREATE TABLE IF NOT EXISTS lidbook_outbox (id INTEGER PRIMARY KEY AUTOINCREMENT, fact TEXT NOT NULL);

-- whatsmeow looks the value under an index up once a mutation; its own key begins with the version, so that each look
-- reads all of a large address book.
CREATE INDEX IF NOT EXISTS lidbook_mutation_mac ON whatsmeow_app_state_mutation_macs (jid, name, index_mac, version);
