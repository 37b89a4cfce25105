-- The log, who owns its events, who may read and write them, and how merchants are sealed off.

-- Text is compared by its bytes (COLLATE "C"), as on SQLite, whatever the database's own order is.

-- One row: the log's epoch and the last offset given out. The offset of an event is numbered from
-- `head` in the transaction that appends it, so offsets have no holes.
CREATE TABLE log_state (
    id BIGINT PRIMARY KEY CHECK (id = 1), -- always 1
    epoch TEXT COLLATE "C" NOT NULL CHECK (char_length(epoch) BETWEEN 1 AND 32), -- changes when offsets begin anew
    head BIGINT NOT NULL CHECK (head >= 0), -- the last offset given out
    committed_at BIGINT NOT NULL -- of the last group, milliseconds since 1970
);

-- Who sells over chat, and whose everything else is.
CREATE TABLE merchants (
    -- '*' binds every merchant, so none may be called so.
    id TEXT COLLATE "C" PRIMARY KEY CHECK (char_length(id) BETWEEN 1 AND 64 AND id <> '*'), -- the merchant's id
    name TEXT COLLATE "C" NOT NULL CHECK (char_length(name) BETWEEN 1 AND 120), -- what it is called
    version BIGINT NOT NULL DEFAULT 1, -- from 1, one more with every change: the ETag
    created_at TIMESTAMPTZ(3) NOT NULL, -- when it was made
    updated_at TIMESTAMPTZ(3) NOT NULL -- when it was last changed
);

-- `frame` is the event as it is sent, a whole JSON object; as text, because its bytes count.
-- `committed_at` never decreases with the offset (milliseconds since 1970), so that retention
-- removes a prefix.
CREATE TABLE events (
    log_offset BIGINT PRIMARY KEY, -- its place in the log
    merchant_id TEXT COLLATE "C" NOT NULL, -- whose event
    id TEXT COLLATE "C" NOT NULL, -- unique per merchant for ever
    type TEXT COLLATE "C" NOT NULL, -- what happened
    subject TEXT COLLATE "C", -- what it is about
    committed_at BIGINT NOT NULL, -- milliseconds since 1970
    frame TEXT NOT NULL -- the event as it is sent
);
CREATE UNIQUE INDEX events_id ON events (merchant_id, id);
CREATE INDEX events_merchant ON events (merchant_id, log_offset);

-- The ids of events that retention removed: a late repeat still answers its first offset.
CREATE TABLE retired_event_ids (
    merchant_id TEXT COLLATE "C" NOT NULL, -- whose event it was
    id TEXT COLLATE "C" NOT NULL, -- its id
    log_offset BIGINT NOT NULL, -- the offset that it had
    PRIMARY KEY (merchant_id, id)
);

-- `token_hash` is the SHA-256 of the key, hexadecimal; the key itself is shown once and not kept.
-- `connected` is true from a bot key's first session to its last. An admin's key has no merchant,
-- so the merchant cannot be a part of a primary key: two unique indexes take its place.
CREATE TABLE api_keys (
    id TEXT COLLATE "C" NOT NULL, -- UUIDv7
    merchant_id TEXT COLLATE "C" REFERENCES merchants (id), -- whose key; NULL: an admin's
    role TEXT COLLATE "C" NOT NULL CHECK (role IN ('admin', 'merchant', 'viewer', 'bot')), -- what it may do
    name TEXT COLLATE "C" NOT NULL CHECK (char_length(name) BETWEEN 1 AND 120), -- what it is called
    prefix TEXT COLLATE "C" NOT NULL, -- how the key begins, to know it again
    -- The only constraint over all merchants: a key is found by this hash alone, and whoever can
    -- give the hash of another's key has that key.
    token_hash TEXT COLLATE "C" NOT NULL UNIQUE CHECK (char_length(token_hash) = 64), -- SHA-256 of the key
    connected BOOLEAN NOT NULL DEFAULT FALSE, -- whether the bot has a session
    bootstrap BOOLEAN NOT NULL DEFAULT FALSE, -- made at the first start
    version BIGINT NOT NULL DEFAULT 1, -- from 1, one more with every change: the ETag
    created_at TIMESTAMPTZ(3) NOT NULL, -- when it was made
    expires_at TIMESTAMPTZ(3), -- when it ends by itself; NULL: never
    revoked_at TIMESTAMPTZ(3), -- when it was revoked
    CHECK ((role = 'admin') = (merchant_id IS NULL)),
    UNIQUE (merchant_id, id)
);
CREATE UNIQUE INDEX api_keys_admins ON api_keys (id) WHERE merchant_id IS NULL;
CREATE INDEX api_keys_id ON api_keys (id);
CREATE INDEX api_keys_connected ON api_keys (id) WHERE connected;

-- Browsers that signed in; each lives at most as long as the key behind it.
CREATE TABLE browser_sessions (
    token_hash TEXT COLLATE "C" PRIMARY KEY CHECK (char_length(token_hash) = 64), -- SHA-256 of the cookie
    key_id TEXT COLLATE "C" NOT NULL, -- the key that signed in
    created_at TIMESTAMPTZ(3) NOT NULL, -- when it signed in
    expires_at TIMESTAMPTZ(3) NOT NULL -- when it ends
);
CREATE INDEX browser_sessions_key ON browser_sessions (key_id);

-- ── the roles that the hub works as ─────────────────────────────────────────────────────────

-- hub_tenant is whoever works for one merchant, hub_app whoever works for every merchant. Two
-- roles, because a policy for both would be a choice, which no index can be searched by: a search
-- of another merchant's rows would pass over them, and EXPLAIN ANALYZE would count them.
-- Roles belong to the whole server: another database's migration may make them at this moment.
DO $$
DECLARE
    wanted TEXT;
BEGIN
    FOREACH wanted IN ARRAY ARRAY['hub_app', 'hub_tenant'] LOOP
        BEGIN
            IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = wanted) THEN
                EXECUTE format(
                    'CREATE ROLE %I NOLOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE', wanted
                );
            END IF;
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
            NULL;
        END;
        IF EXISTS (
            SELECT 1 FROM pg_roles
            WHERE rolname = wanted AND (rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb)
        ) THEN
            RAISE EXCEPTION 'the role % may do more than the hub needs: ALTER ROLE %'
                ' NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE', wanted, wanted;
        END IF;
        IF NOT pg_has_role(current_user, wanted, 'MEMBER') THEN
            EXECUTE format('GRANT %I TO CURRENT_USER', wanted);
        END IF;
    END LOOP;
END
$$;

-- Nobody but the owner makes objects here, and nobody makes temporary ones, which would stand
-- before the hub's own in the search path.
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
DO $$
BEGIN
    EXECUTE format('REVOKE TEMPORARY, CREATE ON DATABASE %I FROM PUBLIC', current_database());
END
$$;
GRANT USAGE ON SCHEMA public TO hub_app, hub_tenant;

-- ── who is bound ────────────────────────────────────────────────────────────────────────────

-- One row: what proves that the hub itself has bound a merchant. Only the owner reads it.
CREATE TABLE scope_secret (
    id BIGINT PRIMARY KEY CHECK (id = 1), -- always 1
    secret BYTEA NOT NULL CHECK (octet_length(secret) = 32) -- random
);
REVOKE ALL ON scope_secret FROM PUBLIC;
INSERT INTO scope_secret (id, secret)
SELECT 1, sha256(convert_to(string_agg(gen_random_uuid()::text, ''), 'UTF8'))
FROM generate_series(1, 8);

-- The merchant that is bound in this transaction, '*' for every merchant. The binding is
-- `hub.merchant` and `hub.actor` (who answers for it in the audit) with `hub.proof` of both, which
-- whoever does not know the secret cannot make. The actor is JSON and so has no U+001F in it.
-- Raises insufficient_privilege when none is bound or the proof is wrong.
CREATE FUNCTION hub_merchant() RETURNS text
LANGUAGE plpgsql STABLE SECURITY DEFINER PARALLEL RESTRICTED SET search_path = public, pg_temp
AS $$
DECLARE
    bound TEXT := current_setting('hub.merchant', TRUE);
    actor TEXT := coalesce(current_setting('hub.actor', TRUE), '');
    proof TEXT := current_setting('hub.proof', TRUE);
    key BYTEA;
BEGIN
    -- After a transaction that bound one, the settings are empty and not NULL.
    IF bound IS NULL OR bound = '' THEN
        RAISE EXCEPTION 'sealed: no merchant is bound' USING ERRCODE = 'insufficient_privilege';
    END IF;
    SELECT secret INTO STRICT key FROM public.scope_secret WHERE id = 1;
    IF position(chr(31) IN actor) > 0 OR proof IS DISTINCT FROM encode(
        sha256(key || sha256(key || convert_to(bound || chr(31) || actor, 'UTF8'))), 'hex') THEN
        RAISE EXCEPTION 'sealed: the merchant is bound without proof'
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN bound;
END
$$;

REVOKE ALL ON FUNCTION hub_merchant() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION hub_merchant() TO hub_app, hub_tenant;

-- ── row-level security ──────────────────────────────────────────────────────────────────────

-- FORCE holds the owner to it too, which works for every merchant. `(SELECT …)` is evaluated once
-- per statement.
ALTER TABLE log_state ENABLE ROW LEVEL SECURITY;
ALTER TABLE log_state FORCE ROW LEVEL SECURITY;
CREATE POLICY log_state_every ON log_state TO hub_app, CURRENT_USER
    USING ((SELECT hub_merchant()) = '*') WITH CHECK ((SELECT hub_merchant()) = '*');
CREATE POLICY log_state_own ON log_state FOR SELECT TO hub_tenant
    USING ((SELECT hub_merchant()) IS NOT NULL);
GRANT SELECT, INSERT, UPDATE ON log_state TO hub_app;
GRANT SELECT ON log_state TO hub_tenant;

ALTER TABLE merchants ENABLE ROW LEVEL SECURITY;
ALTER TABLE merchants FORCE ROW LEVEL SECURITY;
CREATE POLICY merchants_every ON merchants TO hub_app, CURRENT_USER
    USING ((SELECT hub_merchant()) = '*') WITH CHECK ((SELECT hub_merchant()) = '*');
CREATE POLICY merchants_read ON merchants FOR SELECT TO hub_tenant
    USING (id = (SELECT hub_merchant()));
CREATE POLICY merchants_change ON merchants FOR UPDATE TO hub_tenant
    USING (id = (SELECT hub_merchant())) WITH CHECK (id = (SELECT hub_merchant()));
GRANT SELECT, INSERT, UPDATE, DELETE ON merchants TO hub_app;
GRANT SELECT, UPDATE ON merchants TO hub_tenant;

ALTER TABLE events ENABLE ROW LEVEL SECURITY;
ALTER TABLE events FORCE ROW LEVEL SECURITY;
CREATE POLICY events_every ON events TO hub_app, CURRENT_USER
    USING ((SELECT hub_merchant()) = '*') WITH CHECK ((SELECT hub_merchant()) = '*');
CREATE POLICY events_own ON events FOR SELECT TO hub_tenant
    USING (merchant_id = (SELECT hub_merchant()));
GRANT SELECT, INSERT, DELETE ON events TO hub_app;
GRANT SELECT ON events TO hub_tenant;

ALTER TABLE retired_event_ids ENABLE ROW LEVEL SECURITY;
ALTER TABLE retired_event_ids FORCE ROW LEVEL SECURITY;
CREATE POLICY retired_event_ids_every ON retired_event_ids TO hub_app, CURRENT_USER
    USING ((SELECT hub_merchant()) = '*') WITH CHECK ((SELECT hub_merchant()) = '*');
CREATE POLICY retired_event_ids_own ON retired_event_ids FOR SELECT TO hub_tenant
    USING (merchant_id = (SELECT hub_merchant()));
GRANT SELECT, INSERT, DELETE ON retired_event_ids TO hub_app;
GRANT SELECT ON retired_event_ids TO hub_tenant;

ALTER TABLE api_keys ENABLE ROW LEVEL SECURITY;
ALTER TABLE api_keys FORCE ROW LEVEL SECURITY;
CREATE POLICY api_keys_every ON api_keys TO hub_app, CURRENT_USER
    USING ((SELECT hub_merchant()) = '*') WITH CHECK ((SELECT hub_merchant()) = '*');
CREATE POLICY api_keys_own ON api_keys TO hub_tenant
    USING (merchant_id = (SELECT hub_merchant())) WITH CHECK (merchant_id = (SELECT hub_merchant()));
GRANT SELECT, INSERT, UPDATE, DELETE ON api_keys TO hub_app, hub_tenant;

-- Which migrations were applied is no secret; the runner makes the table before the first.
DO $$
BEGIN
    IF to_regclass('public.schema_migrations') IS NOT NULL THEN
        GRANT SELECT ON public.schema_migrations TO hub_app, hub_tenant;
    END IF;
END
$$;

-- ── other hubs on the same log ──────────────────────────────────────────────────────────────

-- Tells every hub on this database how far the log has come; the number only, nothing of its
-- events. Anybody who is connected may send the same, so it is a hint to look and no more.
CREATE FUNCTION notify_head() RETURNS trigger
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM pg_notify('hub_log', NEW.head::text);
    RETURN NULL;
END
$$;
REVOKE ALL ON FUNCTION notify_head() FROM PUBLIC;
CREATE TRIGGER log_state_notify AFTER UPDATE ON log_state FOR EACH ROW
    WHEN (NEW.head IS DISTINCT FROM OLD.head)
    EXECUTE FUNCTION notify_head();
