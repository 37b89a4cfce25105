-- The log, who owns its events, and who may read and write them.

-- One row: the log's epoch and the last offset given out. The offset of an event is numbered from
-- `head` in the transaction that appends it, so offsets have no holes.
CREATE TABLE log_state (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    epoch TEXT NOT NULL CHECK (length(epoch) BETWEEN 1 AND 32),
    head INTEGER NOT NULL CHECK (head >= 0),
    committed_at INTEGER NOT NULL
) STRICT;

CREATE TABLE merchants (
    id TEXT PRIMARY KEY CHECK (length(id) BETWEEN 1 AND 64),
    name TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 120),
    version INTEGER NOT NULL DEFAULT 1,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL
) STRICT;

-- `frame` is the event as it is sent, a whole JSON object. `committed_at` never decreases with
-- the offset (milliseconds since 1970), so that retention removes a prefix.
CREATE TABLE events (
    log_offset INTEGER PRIMARY KEY,
    merchant_id TEXT NOT NULL,
    id TEXT NOT NULL,
    type TEXT NOT NULL,
    subject TEXT,
    committed_at INTEGER NOT NULL,
    frame TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX events_id ON events (merchant_id, id);
-- SQLite ends every index with the rowid: this is (merchant_id, log_offset).
CREATE INDEX events_merchant ON events (merchant_id);

-- The ids of events that retention removed: a late repeat still answers its first offset.
CREATE TABLE retired_event_ids (
    merchant_id TEXT NOT NULL,
    id TEXT NOT NULL,
    log_offset INTEGER NOT NULL,
    PRIMARY KEY (merchant_id, id)
) STRICT, WITHOUT ROWID;

-- `token_hash` is the SHA-256 of the key, hexadecimal; the key itself is shown once and not kept.
-- `connected` is 1 from a bot key's first session to its last.
CREATE TABLE api_keys (
    id TEXT PRIMARY KEY,
    merchant_id TEXT REFERENCES merchants (id),
    role TEXT NOT NULL CHECK (role IN ('admin', 'merchant', 'viewer', 'bot')),
    name TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 120),
    prefix TEXT NOT NULL,
    token_hash TEXT NOT NULL UNIQUE CHECK (length(token_hash) = 64),
    connected INTEGER NOT NULL DEFAULT 0 CHECK (connected IN (0, 1)),
    bootstrap INTEGER NOT NULL DEFAULT 0 CHECK (bootstrap IN (0, 1)),
    version INTEGER NOT NULL DEFAULT 1,
    created_at TEXT NOT NULL,
    expires_at TEXT,
    revoked_at TEXT,
    CHECK ((role = 'admin') = (merchant_id IS NULL))
) STRICT;
CREATE INDEX api_keys_merchant ON api_keys (merchant_id, id);
CREATE INDEX api_keys_connected ON api_keys (id) WHERE connected = 1;

-- Browsers that signed in; each lives at most as long as the key behind it.
CREATE TABLE browser_sessions (
    token_hash TEXT PRIMARY KEY CHECK (length(token_hash) = 64),
    key_id TEXT NOT NULL REFERENCES api_keys (id),
    created_at TEXT NOT NULL,
    expires_at TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX browser_sessions_key ON browser_sessions (key_id);
