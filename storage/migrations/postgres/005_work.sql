-- How work is done: who holds it, what it waits for, what came of each attempt, and when it comes again.

ALTER TABLE jobs
    ADD COLUMN worker TEXT COLLATE "C" CHECK (char_length(worker) BETWEEN 1 AND 64), -- who holds it while it runs, an id of workers
    ADD COLUMN cancelling BOOLEAN NOT NULL DEFAULT FALSE, -- whether it is to end while it runs
    ADD COLUMN awaits TEXT COLLATE "C" CHECK (awaits IN ('bot', 'children')), -- what it waits for, that no worker has: a bot that takes it (running: its answer), or its parts
    ADD COLUMN recipient TEXT COLLATE "C" CHECK (char_length(recipient) BETWEEN 1 AND 64), -- the phone that a message goes to
    ADD COLUMN expires_at TIMESTAMPTZ(3) CHECK (isfinite(expires_at)); -- after which it is not worth while any more

CREATE INDEX jobs_awaiting ON jobs (merchant_id, queue, awaits, priority DESC, run_at, id) WHERE awaits IS NOT NULL;
CREATE INDEX jobs_parents ON jobs (merchant_id, id) WHERE awaits = 'children';
CREATE INDEX jobs_worker ON jobs (worker) WHERE worker IS NOT NULL;
CREATE INDEX jobs_waiting ON jobs (queue, run_at, id) WHERE state = 'queued' AND awaits IS NULL;
CREATE INDEX jobs_parent_state ON jobs (merchant_id, parent_id, state, created_at, id) WHERE parent_id IS NOT NULL;
-- Lists go by the time of making, not by ids, which may be chosen. With a queue, a state or a parent they are put together from one stretch of these for each queue and state.
DROP INDEX jobs_queue;
DROP INDEX jobs_state;
DROP INDEX jobs_queue_state;
DROP INDEX jobs_parent;
DROP INDEX jobs_all_queue;
DROP INDEX jobs_all_state;
DROP INDEX jobs_all_queue_state;
CREATE INDEX jobs_made ON jobs (merchant_id, created_at, id);
CREATE INDEX jobs_whole ON jobs (merchant_id, created_at, id) WHERE parent_id IS NULL;
CREATE INDEX jobs_name ON jobs (merchant_id, name, created_at, id);
CREATE INDEX jobs_queue_state ON jobs (merchant_id, queue, state, created_at, id);
CREATE INDEX jobs_all_made ON jobs (created_at, id);
CREATE INDEX jobs_all_queue_state ON jobs (queue, state, created_at, id);
CREATE INDEX jobs_finished ON jobs (queue, finished_at) WHERE finished_at IS NOT NULL;
CREATE INDEX jobs_finished_own ON jobs (merchant_id, queue, finished_at) WHERE finished_at IS NOT NULL;

ALTER TABLE webhooks
    ADD COLUMN previous_secret TEXT COLLATE "C" CHECK (char_length(previous_secret) BETWEEN 1 AND 256), -- the secret before the last rotation, good until previous_until
    ADD COLUMN previous_until TIMESTAMPTZ(3) CHECK (isfinite(previous_until)), -- until when calls are signed with the previous secret too
    ADD COLUMN failing_since TIMESTAMPTZ(3) CHECK (isfinite(failing_since)), -- the first failed delivery since the last success
    ADD COLUMN last_success_at TIMESTAMPTZ(3) CHECK (isfinite(last_success_at)), -- the last answer of 2xx
    ADD COLUMN last_failure_at TIMESTAMPTZ(3) CHECK (isfinite(last_failure_at)), -- the last failed attempt
    ADD COLUMN last_error TEXT COLLATE "C" CHECK (char_length(last_error) BETWEEN 1 AND 500), -- why that failed
    ADD COLUMN heard_from BIGINT NOT NULL DEFAULT 0 CHECK (heard_from >= 0); -- it hears of events behind this offset of the log, which had come so far when it was made or made active
ALTER TABLE log_state
    ADD COLUMN webhook_changes BIGINT NOT NULL DEFAULT 0 CHECK (webhook_changes >= 0); -- how often webhooks were changed, for who keeps them in memory
CREATE INDEX webhooks_called ON webhooks (merchant_id, id) WHERE is_active;

ALTER TABLE orders
    ADD COLUMN stock_taken BOOLEAN NOT NULL DEFAULT TRUE; -- whether its goods have left the stock
CREATE OR REPLACE FUNCTION audit_orders() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    before JSONB;
    after JSONB;
BEGIN
    IF TG_OP <> 'INSERT' THEN
        before := jsonb_build_object(
            'id', OLD.id,
            'merchant_id', OLD.merchant_id,
            'customer_phone', OLD.customer_phone,
            'customer_id', OLD.customer_id,
            'items', OLD.items,
            'total', OLD.total,
            'currency', OLD.currency,
            'status', OLD.status,
            'payment_status', OLD.payment_status,
            'notes', OLD.notes,
            'stock_taken', OLD.stock_taken,
            'version', OLD.version,
            'created_at', rfc3339(OLD.created_at),
            'updated_at', rfc3339(OLD.updated_at)
        );
    END IF;
    IF TG_OP <> 'DELETE' THEN
        after := jsonb_build_object(
            'id', NEW.id,
            'merchant_id', NEW.merchant_id,
            'customer_phone', NEW.customer_phone,
            'customer_id', NEW.customer_id,
            'items', NEW.items,
            'total', NEW.total,
            'currency', NEW.currency,
            'status', NEW.status,
            'payment_status', NEW.payment_status,
            'notes', NEW.notes,
            'stock_taken', NEW.stock_taken,
            'version', NEW.version,
            'created_at', rfc3339(NEW.created_at),
            'updated_at', rfc3339(NEW.updated_at)
        );
        PERFORM write_audit(NEW.merchant_id, 'order', NEW.id, TG_OP, before, after);
    ELSE
        PERFORM write_audit(OLD.merchant_id, 'order', OLD.id, TG_OP, before, after);
    END IF;
    RETURN NULL;
END
$$;

-- Attempts of jobs that did not succeed.
CREATE TABLE job_attempts (
    merchant_id TEXT COLLATE "C" NOT NULL, -- whose row
    job_id TEXT COLLATE "C" NOT NULL CHECK (char_length(job_id) BETWEEN 1 AND 64), -- the job
    attempt BIGINT NOT NULL CHECK (attempt >= 1), -- from 1
    worker TEXT COLLATE "C" CHECK (char_length(worker) BETWEEN 1 AND 64), -- who held it
    outcome TEXT COLLATE "C" NOT NULL CHECK (outcome IN ('failed', 'lost', 'uncertain')), -- failed, lost with its worker, or uncertain: nobody knows whether it was done
    error TEXT COLLATE "C" NOT NULL CHECK (char_length(error) BETWEEN 0 AND 4096), -- why
    traceback TEXT COLLATE "C" CHECK (char_length(traceback) BETWEEN 0 AND 16384), -- where, for developers
    started_at TIMESTAMPTZ(3) CHECK (isfinite(started_at)), -- when it began
    ended_at TIMESTAMPTZ(3) NOT NULL CHECK (isfinite(ended_at)), -- when it ended
    PRIMARY KEY (merchant_id, job_id, attempt),
    FOREIGN KEY (merchant_id, job_id) REFERENCES jobs (merchant_id, id) ON DELETE CASCADE
);
ALTER TABLE job_attempts ENABLE ROW LEVEL SECURITY;
ALTER TABLE job_attempts FORCE ROW LEVEL SECURITY;
CREATE POLICY job_attempts_every ON job_attempts TO hub_app, CURRENT_USER
    USING ((SELECT hub_merchant()) = '*') WITH CHECK ((SELECT hub_merchant()) = '*');
CREATE POLICY job_attempts_own ON job_attempts TO hub_tenant
    USING (merchant_id = (SELECT hub_merchant())) WITH CHECK (merchant_id = (SELECT hub_merchant()));
GRANT SELECT, INSERT, UPDATE, DELETE ON job_attempts TO hub_app, hub_tenant;
CREATE TRIGGER job_attempts_pinned BEFORE UPDATE ON job_attempts FOR EACH ROW
    WHEN ((NEW.merchant_id, NEW.job_id, NEW.attempt) IS DISTINCT FROM (OLD.merchant_id, OLD.job_id, OLD.attempt))
    EXECUTE FUNCTION refuse_row('pinned: merchant_id, job_id, attempt of job_attempts never change');

-- What a job works on, where that is large; removed once it is used.
CREATE TABLE job_inputs (
    merchant_id TEXT COLLATE "C" NOT NULL, -- whose row
    job_id TEXT COLLATE "C" NOT NULL CHECK (char_length(job_id) BETWEEN 1 AND 64), -- the job
    input JSONB NOT NULL CHECK (jsonb_typeof(input) = 'array'), -- the recipients of a bulk send
    PRIMARY KEY (merchant_id, job_id),
    FOREIGN KEY (merchant_id, job_id) REFERENCES jobs (merchant_id, id) ON DELETE CASCADE
);
ALTER TABLE job_inputs ENABLE ROW LEVEL SECURITY;
ALTER TABLE job_inputs FORCE ROW LEVEL SECURITY;
CREATE POLICY job_inputs_every ON job_inputs TO hub_app, CURRENT_USER
    USING ((SELECT hub_merchant()) = '*') WITH CHECK ((SELECT hub_merchant()) = '*');
CREATE POLICY job_inputs_own ON job_inputs TO hub_tenant
    USING (merchant_id = (SELECT hub_merchant())) WITH CHECK (merchant_id = (SELECT hub_merchant()));
GRANT SELECT, INSERT, UPDATE, DELETE ON job_inputs TO hub_app, hub_tenant;
CREATE TRIGGER job_inputs_pinned BEFORE UPDATE ON job_inputs FOR EACH ROW
    WHEN ((NEW.merchant_id, NEW.job_id) IS DISTINCT FROM (OLD.merchant_id, OLD.job_id))
    EXECUTE FUNCTION refuse_row('pinned: merchant_id, job_id of job_inputs never change');

-- Who holds running jobs: workers, and hubs for their bots. Who was silent for too long holds none any more.
CREATE TABLE workers (
    id TEXT COLLATE "C" NOT NULL CHECK (char_length(id) BETWEEN 1 AND 64) PRIMARY KEY, -- made at each start
    instance_id TEXT COLLATE "C" NOT NULL CHECK (char_length(instance_id) BETWEEN 1 AND 64), -- the data directory that it belongs to: a later life of it knows that this one is over
    kind TEXT COLLATE "C" NOT NULL CHECK (kind IN ('worker', 'bots')), -- worker, or bots: a hub that hands tasks to bots
    queues JSONB NOT NULL CHECK (jsonb_typeof(queues) = 'array'), -- the queues that it works on
    host TEXT COLLATE "C" NOT NULL CHECK (char_length(host) BETWEEN 0 AND 255), -- the machine
    pid BIGINT NOT NULL CHECK (pid >= 0), -- the process
    started_at TIMESTAMPTZ(3) NOT NULL CHECK (isfinite(started_at)), -- when it started
    seen_at TIMESTAMPTZ(3) NOT NULL CHECK (isfinite(seen_at)) -- its last sign of life
);
CREATE INDEX workers_seen ON workers (seen_at);
CREATE INDEX workers_instance ON workers (instance_id);
ALTER TABLE workers ENABLE ROW LEVEL SECURITY;
ALTER TABLE workers FORCE ROW LEVEL SECURITY;
CREATE POLICY workers_every ON workers TO hub_app, CURRENT_USER
    USING ((SELECT hub_merchant()) = '*') WITH CHECK ((SELECT hub_merchant()) = '*');
GRANT SELECT, INSERT, UPDATE, DELETE ON workers TO hub_app;

-- Queues that stand still.
CREATE TABLE paused_queues (
    merchant_id TEXT COLLATE "C" NOT NULL, -- whose jobs wait; '*': everybody's
    queue TEXT COLLATE "C" NOT NULL CHECK (queue IN ('media_processing', 'message_sending', 'order_processing', 'webhook_delivery')), -- which of the four queues
    paused_by TEXT COLLATE "C" CHECK (char_length(paused_by) BETWEEN 1 AND 64), -- the key that did it; NULL: the hub itself
    paused_at TIMESTAMPTZ(3) NOT NULL CHECK (isfinite(paused_at)), -- when
    PRIMARY KEY (merchant_id, queue)
);
ALTER TABLE paused_queues ENABLE ROW LEVEL SECURITY;
ALTER TABLE paused_queues FORCE ROW LEVEL SECURITY;
CREATE POLICY paused_queues_every ON paused_queues TO hub_app, CURRENT_USER
    USING ((SELECT hub_merchant()) = '*') WITH CHECK ((SELECT hub_merchant()) = '*');
CREATE POLICY paused_queues_own ON paused_queues TO hub_tenant
    USING (merchant_id = (SELECT hub_merchant())) WITH CHECK (merchant_id = (SELECT hub_merchant()));
GRANT SELECT, INSERT, UPDATE, DELETE ON paused_queues TO hub_app, hub_tenant;
CREATE TRIGGER paused_queues_pinned BEFORE UPDATE ON paused_queues FOR EACH ROW
    WHEN ((NEW.merchant_id, NEW.queue) IS DISTINCT FROM (OLD.merchant_id, OLD.queue))
    EXECUTE FUNCTION refuse_row('pinned: merchant_id, queue of paused_queues never change');

-- Jobs that come again and again.
CREATE TABLE recurring_jobs (
    id TEXT COLLATE "C" NOT NULL CHECK (char_length(id) BETWEEN 36 AND 36), -- UUIDv7
    merchant_id TEXT COLLATE "C" NOT NULL, -- whose row
    name TEXT COLLATE "C" NOT NULL CHECK (char_length(name) BETWEEN 1 AND 100), -- what people call it
    queue TEXT COLLATE "C" NOT NULL CHECK (queue IN ('media_processing', 'message_sending', 'order_processing', 'webhook_delivery')), -- which of the four queues
    task TEXT COLLATE "C" NOT NULL CHECK (char_length(task) BETWEEN 1 AND 64), -- the task
    args JSONB NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(args) = 'object'), -- its arguments
    schedule TEXT COLLATE "C" NOT NULL CHECK (char_length(schedule) BETWEEN 9 AND 100), -- minute, hour, day, month, weekday, as cron(5) writes them
    time_zone TEXT COLLATE "C" NOT NULL DEFAULT 'UTC' CHECK (char_length(time_zone) BETWEEN 1 AND 64), -- whose clock the schedule means, a name of the IANA database
    missed TEXT COLLATE "C" NOT NULL DEFAULT 'once' CHECK (missed IN ('skip', 'once', 'all')), -- what becomes of runs that came due while no hub ran: none, one for all of them, or each
    is_active BOOLEAN NOT NULL DEFAULT TRUE, -- whether it comes again
    next_run_at TIMESTAMPTZ(3) CHECK (isfinite(next_run_at)), -- when it comes next; NULL: not any more
    last_run_at TIMESTAMPTZ(3) CHECK (isfinite(last_run_at)), -- when it came last
    created_by TEXT COLLATE "C" CHECK (char_length(created_by) BETWEEN 1 AND 64), -- the key that made it
    version BIGINT NOT NULL DEFAULT 1 CHECK (version >= 1), -- from 1, one more with every change: the ETag
    created_at TIMESTAMPTZ(3) NOT NULL CHECK (isfinite(created_at)), -- when it was made
    updated_at TIMESTAMPTZ(3) NOT NULL CHECK (isfinite(updated_at)), -- when it was last changed
    PRIMARY KEY (merchant_id, id),
    UNIQUE (merchant_id, name),
    FOREIGN KEY (merchant_id) REFERENCES merchants (id)
);
CREATE INDEX recurring_jobs_id ON recurring_jobs (id);
CREATE INDEX recurring_jobs_due ON recurring_jobs (next_run_at, id) WHERE is_active AND next_run_at IS NOT NULL;
ALTER TABLE recurring_jobs ENABLE ROW LEVEL SECURITY;
ALTER TABLE recurring_jobs FORCE ROW LEVEL SECURITY;
CREATE POLICY recurring_jobs_every ON recurring_jobs TO hub_app, CURRENT_USER
    USING ((SELECT hub_merchant()) = '*') WITH CHECK ((SELECT hub_merchant()) = '*');
CREATE POLICY recurring_jobs_own ON recurring_jobs TO hub_tenant
    USING (merchant_id = (SELECT hub_merchant())) WITH CHECK (merchant_id = (SELECT hub_merchant()));
GRANT SELECT, INSERT, UPDATE, DELETE ON recurring_jobs TO hub_app, hub_tenant;
CREATE TRIGGER recurring_jobs_pinned BEFORE UPDATE ON recurring_jobs FOR EACH ROW
    WHEN ((NEW.id, NEW.merchant_id, NEW.created_at) IS DISTINCT FROM (OLD.id, OLD.merchant_id, OLD.created_at))
    EXECUTE FUNCTION refuse_row('pinned: id, merchant_id, created_at of recurring_jobs never change');
CREATE TRIGGER recurring_jobs_version BEFORE UPDATE ON recurring_jobs FOR EACH ROW
    WHEN (NEW.version IS DISTINCT FROM OLD.version + 1 AND (NEW.*) IS DISTINCT FROM (OLD.*))
    EXECUTE FUNCTION refuse_row('version: a change of recurring_jobs adds one to it');
CREATE FUNCTION audit_recurring_jobs() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    before JSONB;
    after JSONB;
BEGIN
    IF TG_OP <> 'INSERT' THEN
        before := jsonb_build_object(
            'id', OLD.id,
            'merchant_id', OLD.merchant_id,
            'name', OLD.name,
            'queue', OLD.queue,
            'task', OLD.task,
            'args', OLD.args,
            'schedule', OLD.schedule,
            'time_zone', OLD.time_zone,
            'missed', OLD.missed,
            'is_active', OLD.is_active,
            'next_run_at', rfc3339(OLD.next_run_at),
            'last_run_at', rfc3339(OLD.last_run_at),
            'created_by', OLD.created_by,
            'version', OLD.version,
            'created_at', rfc3339(OLD.created_at),
            'updated_at', rfc3339(OLD.updated_at)
        );
    END IF;
    IF TG_OP <> 'DELETE' THEN
        after := jsonb_build_object(
            'id', NEW.id,
            'merchant_id', NEW.merchant_id,
            'name', NEW.name,
            'queue', NEW.queue,
            'task', NEW.task,
            'args', NEW.args,
            'schedule', NEW.schedule,
            'time_zone', NEW.time_zone,
            'missed', NEW.missed,
            'is_active', NEW.is_active,
            'next_run_at', rfc3339(NEW.next_run_at),
            'last_run_at', rfc3339(NEW.last_run_at),
            'created_by', NEW.created_by,
            'version', NEW.version,
            'created_at', rfc3339(NEW.created_at),
            'updated_at', rfc3339(NEW.updated_at)
        );
        PERFORM write_audit(NEW.merchant_id, 'recurring_job', NEW.id, TG_OP, before, after);
    ELSE
        PERFORM write_audit(OLD.merchant_id, 'recurring_job', OLD.id, TG_OP, before, after);
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER recurring_jobs_audit AFTER INSERT OR DELETE ON recurring_jobs FOR EACH ROW
    EXECUTE FUNCTION audit_recurring_jobs();
CREATE TRIGGER recurring_jobs_audit_update AFTER UPDATE ON recurring_jobs FOR EACH ROW
    WHEN ((NEW.id, NEW.merchant_id, NEW.name, NEW.queue, NEW.task, NEW.args, NEW.schedule, NEW.time_zone, NEW.missed, NEW.is_active, NEW.created_by, NEW.created_at) IS DISTINCT FROM (OLD.id, OLD.merchant_id, OLD.name, OLD.queue, OLD.task, OLD.args, OLD.schedule, OLD.time_zone, OLD.missed, OLD.is_active, OLD.created_by, OLD.created_at))
    EXECUTE FUNCTION audit_recurring_jobs();
REVOKE ALL ON FUNCTION audit_recurring_jobs() FROM PUBLIC;

-- How far those have come who follow the log and must not miss an event.
CREATE TABLE log_cursors (
    name TEXT COLLATE "C" NOT NULL CHECK (char_length(name) BETWEEN 1 AND 64) PRIMARY KEY, -- who follows
    log_offset BIGINT NOT NULL CHECK (log_offset >= 0), -- up to here, inclusive
    updated_at TIMESTAMPTZ(3) NOT NULL CHECK (isfinite(updated_at)) -- when it moved last
);
ALTER TABLE log_cursors ENABLE ROW LEVEL SECURITY;
ALTER TABLE log_cursors FORCE ROW LEVEL SECURITY;
CREATE POLICY log_cursors_every ON log_cursors TO hub_app, CURRENT_USER
    USING ((SELECT hub_merchant()) = '*') WITH CHECK ((SELECT hub_merchant()) = '*');
GRANT SELECT, INSERT, UPDATE, DELETE ON log_cursors TO hub_app;

-- When a recipient may be sent the next message.
CREATE TABLE send_slots (
    merchant_id TEXT COLLATE "C" NOT NULL, -- whose row
    phone TEXT COLLATE "C" NOT NULL CHECK (char_length(phone) BETWEEN 1 AND 64), -- the recipient
    free_at TIMESTAMPTZ(3) NOT NULL CHECK (isfinite(free_at)), -- not before
    PRIMARY KEY (merchant_id, phone)
);
CREATE INDEX send_slots_free ON send_slots (free_at);
ALTER TABLE send_slots ENABLE ROW LEVEL SECURITY;
ALTER TABLE send_slots FORCE ROW LEVEL SECURITY;
CREATE POLICY send_slots_every ON send_slots TO hub_app, CURRENT_USER
    USING ((SELECT hub_merchant()) = '*') WITH CHECK ((SELECT hub_merchant()) = '*');
CREATE POLICY send_slots_own ON send_slots TO hub_tenant
    USING (merchant_id = (SELECT hub_merchant())) WITH CHECK (merchant_id = (SELECT hub_merchant()));
GRANT SELECT, INSERT, UPDATE, DELETE ON send_slots TO hub_app, hub_tenant;
CREATE TRIGGER send_slots_pinned BEFORE UPDATE ON send_slots FOR EACH ROW
    WHEN ((NEW.merchant_id, NEW.phone) IS DISTINCT FROM (OLD.merchant_id, OLD.phone))
    EXECUTE FUNCTION refuse_row('pinned: merchant_id, phone of send_slots never change');
