-- Which hubs there are, which bots each holds, and whose a browser is.

-- The hubs that run on this database, by their signs of life.
CREATE TABLE hub_instances (
    id TEXT COLLATE "C" PRIMARY KEY CHECK (char_length(id) BETWEEN 1 AND 64), -- made at the first start of a data directory
    started_at TIMESTAMPTZ(3) NOT NULL, -- when it started
    seen_at TIMESTAMPTZ(3) NOT NULL -- its last sign of life
);
CREATE INDEX hub_instances_seen ON hub_instances (seen_at);
ALTER TABLE hub_instances ENABLE ROW LEVEL SECURITY;
ALTER TABLE hub_instances FORCE ROW LEVEL SECURITY;
CREATE POLICY hub_instances_every ON hub_instances TO hub_app, CURRENT_USER
    USING ((SELECT hub_merchant()) = '*') WITH CHECK ((SELECT hub_merchant()) = '*');
GRANT SELECT, INSERT, UPDATE, DELETE ON hub_instances TO hub_app;

-- Which bots each hub holds: a bot is connected while there is a row. The key is not checked here:
-- it would need a key without the merchant.
CREATE TABLE bot_connections (
    key_id TEXT COLLATE "C" NOT NULL, -- the bot's key
    instance_id TEXT COLLATE "C" NOT NULL REFERENCES hub_instances (id), -- the hub that holds it
    PRIMARY KEY (key_id, instance_id)
);
CREATE INDEX bot_connections_instance ON bot_connections (instance_id);
ALTER TABLE bot_connections ENABLE ROW LEVEL SECURITY;
ALTER TABLE bot_connections FORCE ROW LEVEL SECURITY;
CREATE POLICY bot_connections_every ON bot_connections TO hub_app, CURRENT_USER
    USING ((SELECT hub_merchant()) = '*') WITH CHECK ((SELECT hub_merchant()) = '*');
GRANT SELECT, INSERT, UPDATE, DELETE ON bot_connections TO hub_app;

ALTER TABLE log_state
    ADD COLUMN fingerprint TEXT COLLATE "C", -- identity of the database that wrote the log last; NULL: not known yet
    ADD COLUMN oldest BIGINT NOT NULL DEFAULT 1; -- the first offset still stored; head + 1 when none is
ALTER TABLE merchants
    ADD COLUMN seeded_at TIMESTAMPTZ(3); -- when its default templates were made; NULL: not yet
-- The key of an admin's browser is not checked here: it would need a key without the merchant.
ALTER TABLE browser_sessions
    ADD COLUMN merchant_id TEXT COLLATE "C" REFERENCES merchants (id), -- whose browser; NULL: an admin's
    ADD FOREIGN KEY (merchant_id, key_id) REFERENCES api_keys (merchant_id, id);
CREATE INDEX browser_sessions_merchant ON browser_sessions (merchant_id);
CREATE INDEX browser_sessions_expired ON browser_sessions (expires_at);
CREATE INDEX merchants_unseeded ON merchants (id) WHERE seeded_at IS NULL;
ALTER TABLE browser_sessions ENABLE ROW LEVEL SECURITY;
ALTER TABLE browser_sessions FORCE ROW LEVEL SECURITY;
CREATE POLICY browser_sessions_every ON browser_sessions TO hub_app, CURRENT_USER
    USING ((SELECT hub_merchant()) = '*') WITH CHECK ((SELECT hub_merchant()) = '*');
CREATE POLICY browser_sessions_own ON browser_sessions TO hub_tenant
    USING (merchant_id = (SELECT hub_merchant())) WITH CHECK (merchant_id = (SELECT hub_merchant()));
GRANT SELECT, INSERT, UPDATE, DELETE ON browser_sessions TO hub_app, hub_tenant;

-- A change adds one to the version; whose row it is, its id and its beginning never change. What
-- the hub notes for itself (a bot's presence, that templates were made) is no change.
CREATE FUNCTION refuse_row() RETURNS trigger
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    RAISE EXCEPTION '%', TG_ARGV[0] USING ERRCODE = CASE
        WHEN TG_ARGV[0] LIKE 'sealed:%' THEN 'insufficient_privilege' ELSE 'check_violation' END;
END
$$;
REVOKE ALL ON FUNCTION refuse_row() FROM PUBLIC;
CREATE TRIGGER merchants_pinned BEFORE UPDATE ON merchants FOR EACH ROW
    WHEN ((NEW.id, NEW.created_at) IS DISTINCT FROM (OLD.id, OLD.created_at))
    EXECUTE FUNCTION refuse_row('pinned: id, created_at of merchants never change');
CREATE TRIGGER merchants_version BEFORE UPDATE ON merchants FOR EACH ROW
    WHEN (NEW.version IS DISTINCT FROM OLD.version + 1 AND (NEW.id, NEW.name, NEW.version, NEW.created_at, NEW.updated_at) IS DISTINCT FROM (OLD.id, OLD.name, OLD.version, OLD.created_at, OLD.updated_at))
    EXECUTE FUNCTION refuse_row('version: a change of merchants adds one to it');
CREATE TRIGGER api_keys_pinned BEFORE UPDATE ON api_keys FOR EACH ROW
    WHEN ((NEW.id, NEW.merchant_id, NEW.created_at) IS DISTINCT FROM (OLD.id, OLD.merchant_id, OLD.created_at))
    EXECUTE FUNCTION refuse_row('pinned: id, merchant_id, created_at of api_keys never change');
CREATE TRIGGER api_keys_version BEFORE UPDATE ON api_keys FOR EACH ROW
    WHEN (NEW.version IS DISTINCT FROM OLD.version + 1 AND (NEW.id, NEW.merchant_id, NEW.role, NEW.name, NEW.prefix, NEW.bootstrap, NEW.version, NEW.created_at, NEW.expires_at, NEW.revoked_at, NEW.token_hash) IS DISTINCT FROM (OLD.id, OLD.merchant_id, OLD.role, OLD.name, OLD.prefix, OLD.bootstrap, OLD.version, OLD.created_at, OLD.expires_at, OLD.revoked_at, OLD.token_hash))
    EXECUTE FUNCTION refuse_row('version: a change of api_keys adds one to it');
CREATE TRIGGER browser_sessions_pinned BEFORE UPDATE ON browser_sessions FOR EACH ROW
    WHEN ((NEW.token_hash, NEW.merchant_id) IS DISTINCT FROM (OLD.token_hash, OLD.merchant_id))
    EXECUTE FUNCTION refuse_row('pinned: token_hash, merchant_id of browser_sessions never change');

-- What the hubs keep in memory of these tables, they are told with the commit that changes it: a
-- word and an id. Anybody who is connected may send the same: it makes a hub look, and no more.
CREATE FUNCTION notify_change() RETURNS trigger
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    CASE TG_TABLE_NAME
        WHEN 'api_keys' THEN PERFORM pg_notify('hub', 'key ' || NEW.id);
        WHEN 'browser_sessions' THEN PERFORM pg_notify('hub', 'browser ' || OLD.token_hash);
        WHEN 'merchants' THEN PERFORM pg_notify('hub', 'merchant ' || NEW.id);
    END CASE;
    RETURN NULL;
END
$$;
REVOKE ALL ON FUNCTION notify_change() FROM PUBLIC;
CREATE TRIGGER api_keys_notify AFTER UPDATE ON api_keys FOR EACH ROW
    WHEN (NEW.revoked_at IS DISTINCT FROM OLD.revoked_at)
    EXECUTE FUNCTION notify_change();
CREATE TRIGGER browser_sessions_notify AFTER DELETE ON browser_sessions FOR EACH ROW
    EXECUTE FUNCTION notify_change();
CREATE TRIGGER merchants_notify AFTER INSERT ON merchants FOR EACH ROW
    EXECUTE FUNCTION notify_change();
