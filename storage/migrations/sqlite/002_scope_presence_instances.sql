-- For whom a transaction runs, which hubs there are and which bots each holds, whose a browser is.

-- One row: whose rows the open transaction may write, and who answers for it. All NULL at rest.
CREATE TABLE scope (
    id INTEGER PRIMARY KEY CHECK (id = 1), -- always 1
    merchant_id TEXT CHECK (length(merchant_id) BETWEEN 1 AND 64), -- the bound merchant; '*': every merchant; NULL: none
    actor_id TEXT, -- the key that acts; NULL: the hub itself
    actor_role TEXT CHECK (actor_role IN ('admin', 'merchant', 'viewer', 'bot', 'hub')), -- the key's role, or hub
    ip_address TEXT, -- where the actor calls from
    user_agent TEXT -- what the actor calls with
) STRICT;
INSERT INTO scope (id) VALUES (1);

-- The hubs that run on this database, by their signs of life.
CREATE TABLE hub_instances (
    id TEXT NOT NULL PRIMARY KEY CHECK (length(id) BETWEEN 1 AND 64), -- made at the first start of a data directory
    started_at TEXT NOT NULL, -- when it started
    seen_at TEXT NOT NULL -- its last sign of life
) STRICT;
CREATE INDEX hub_instances_seen ON hub_instances (seen_at);

-- Which bots each hub holds: a bot is connected while there is a row.
CREATE TABLE bot_connections (
    key_id TEXT NOT NULL REFERENCES api_keys (id), -- the bot's key
    instance_id TEXT NOT NULL REFERENCES hub_instances (id), -- the hub that holds it
    PRIMARY KEY (key_id, instance_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX bot_connections_instance ON bot_connections (instance_id);

-- SQLite keeps the text of a column that is added, its comment included.
ALTER TABLE log_state ADD COLUMN fingerprint -- identity of the database that wrote the log last; NULL: not known yet
    TEXT;
ALTER TABLE merchants ADD COLUMN seeded_at -- when its default templates were made; NULL: not yet
    TEXT;
ALTER TABLE log_state ADD COLUMN oldest -- the first offset still stored; head + 1 when none is
    INTEGER NOT NULL DEFAULT 1;
UPDATE log_state SET oldest = COALESCE((SELECT MIN(log_offset) FROM events), head + 1);
ALTER TABLE browser_sessions ADD COLUMN merchant_id -- whose browser; NULL: an admin's
    TEXT REFERENCES merchants (id);
UPDATE browser_sessions
SET merchant_id = (SELECT merchant_id FROM api_keys WHERE api_keys.id = browser_sessions.key_id);
CREATE INDEX browser_sessions_merchant ON browser_sessions (merchant_id);
CREATE INDEX browser_sessions_expired ON browser_sessions (expires_at);
CREATE INDEX merchants_unseeded ON merchants (id) WHERE seeded_at IS NULL;

-- '*' binds every merchant, so none may be called so.
CREATE TRIGGER merchants_name_of_all BEFORE INSERT ON merchants
WHEN NEW.id = '*'
BEGIN
    SELECT RAISE(ABORT, 'refused: * stands for every merchant');
END;

-- No row of a merchant is written unless that merchant, or every merchant, is bound. Merchants
-- themselves are added and removed only where every merchant is bound.
CREATE TRIGGER merchants_sealed_insert BEFORE INSERT ON merchants
WHEN NOT EXISTS (SELECT 1 FROM scope WHERE merchant_id = '*')
BEGIN
    SELECT RAISE(ABORT, 'sealed: merchants of a merchant that is not bound');
END;
CREATE TRIGGER merchants_sealed_update BEFORE UPDATE ON merchants
WHEN NOT EXISTS (SELECT 1 FROM scope WHERE merchant_id IN (OLD.id, '*'))
BEGIN
    SELECT RAISE(ABORT, 'sealed: merchants of a merchant that is not bound');
END;
CREATE TRIGGER merchants_sealed_delete BEFORE DELETE ON merchants
WHEN NOT EXISTS (SELECT 1 FROM scope WHERE merchant_id = '*')
BEGIN
    SELECT RAISE(ABORT, 'sealed: merchants of a merchant that is not bound');
END;
CREATE TRIGGER api_keys_sealed_insert BEFORE INSERT ON api_keys
WHEN NOT EXISTS (SELECT 1 FROM scope WHERE merchant_id IN (NEW.merchant_id, '*'))
BEGIN
    SELECT RAISE(ABORT, 'sealed: api_keys of a merchant that is not bound');
END;
CREATE TRIGGER api_keys_sealed_update BEFORE UPDATE ON api_keys
WHEN NOT EXISTS (SELECT 1 FROM scope WHERE merchant_id IN (OLD.merchant_id, '*'))
BEGIN
    SELECT RAISE(ABORT, 'sealed: api_keys of a merchant that is not bound');
END;
CREATE TRIGGER api_keys_sealed_delete BEFORE DELETE ON api_keys
WHEN NOT EXISTS (SELECT 1 FROM scope WHERE merchant_id IN (OLD.merchant_id, '*'))
BEGIN
    SELECT RAISE(ABORT, 'sealed: api_keys of a merchant that is not bound');
END;
CREATE TRIGGER browser_sessions_sealed_insert BEFORE INSERT ON browser_sessions
WHEN NOT EXISTS (SELECT 1 FROM scope WHERE merchant_id IN (NEW.merchant_id, '*'))
BEGIN
    SELECT RAISE(ABORT, 'sealed: browser_sessions of a merchant that is not bound');
END;
CREATE TRIGGER browser_sessions_sealed_update BEFORE UPDATE ON browser_sessions
WHEN NOT EXISTS (SELECT 1 FROM scope WHERE merchant_id IN (OLD.merchant_id, '*'))
BEGIN
    SELECT RAISE(ABORT, 'sealed: browser_sessions of a merchant that is not bound');
END;
CREATE TRIGGER browser_sessions_sealed_delete BEFORE DELETE ON browser_sessions
WHEN NOT EXISTS (SELECT 1 FROM scope WHERE merchant_id IN (OLD.merchant_id, '*'))
BEGIN
    SELECT RAISE(ABORT, 'sealed: browser_sessions of a merchant that is not bound');
END;

-- Events are appended on the fast path and never changed; retention removes them for all.
CREATE TRIGGER events_sealed_update BEFORE UPDATE ON events
BEGIN
    SELECT RAISE(ABORT, 'sealed: events never change');
END;
CREATE TRIGGER events_sealed_delete BEFORE DELETE ON events
WHEN NOT EXISTS (SELECT 1 FROM scope WHERE merchant_id = '*')
BEGIN
    SELECT RAISE(ABORT, 'sealed: events are removed for every merchant at once');
END;

-- A change adds one to the version; whose row it is, its id and its beginning never change. What
-- the hub notes for itself (a bot's presence, that templates were made) is no change.
CREATE TRIGGER merchants_pinned BEFORE UPDATE ON merchants
WHEN NEW.id IS NOT OLD.id
        OR NEW.created_at IS NOT OLD.created_at
BEGIN
    SELECT RAISE(ABORT, 'pinned: id, created_at of merchants never change');
END;
CREATE TRIGGER merchants_version BEFORE UPDATE ON merchants
WHEN NEW.version IS NOT OLD.version + 1
    AND (NEW.id IS NOT OLD.id
        OR NEW.name IS NOT OLD.name
        OR NEW.version IS NOT OLD.version
        OR NEW.created_at IS NOT OLD.created_at
        OR NEW.updated_at IS NOT OLD.updated_at)
BEGIN
    SELECT RAISE(ABORT, 'version: a change of merchants adds one to it');
END;
CREATE TRIGGER api_keys_pinned BEFORE UPDATE ON api_keys
WHEN NEW.id IS NOT OLD.id
        OR NEW.merchant_id IS NOT OLD.merchant_id
        OR NEW.created_at IS NOT OLD.created_at
BEGIN
    SELECT RAISE(ABORT, 'pinned: id, merchant_id, created_at of api_keys never change');
END;
CREATE TRIGGER api_keys_version BEFORE UPDATE ON api_keys
WHEN NEW.version IS NOT OLD.version + 1
    AND (NEW.id IS NOT OLD.id
        OR NEW.merchant_id IS NOT OLD.merchant_id
        OR NEW.role IS NOT OLD.role
        OR NEW.name IS NOT OLD.name
        OR NEW.prefix IS NOT OLD.prefix
        OR NEW.bootstrap IS NOT OLD.bootstrap
        OR NEW.version IS NOT OLD.version
        OR NEW.created_at IS NOT OLD.created_at
        OR NEW.expires_at IS NOT OLD.expires_at
        OR NEW.revoked_at IS NOT OLD.revoked_at
        OR NEW.token_hash IS NOT OLD.token_hash)
BEGIN
    SELECT RAISE(ABORT, 'version: a change of api_keys adds one to it');
END;
CREATE TRIGGER browser_sessions_pinned BEFORE UPDATE ON browser_sessions
WHEN NEW.token_hash IS NOT OLD.token_hash
        OR NEW.merchant_id IS NOT OLD.merchant_id
BEGIN
    SELECT RAISE(ABORT, 'pinned: token_hash, merchant_id of browser_sessions never change');
END;
