-- How work is done: who holds it, what it waits for, what came of each attempt, and when it comes again.

ALTER TABLE jobs ADD COLUMN worker -- who holds it while it runs, an id of workers
    TEXT CHECK (length(worker) BETWEEN 1 AND 64);
ALTER TABLE jobs ADD COLUMN cancelling -- whether it is to end while it runs
    INTEGER NOT NULL DEFAULT 0 CHECK (cancelling IN (0, 1));
ALTER TABLE jobs ADD COLUMN awaits -- what it waits for, that no worker has: a bot that takes it (running: its answer), or its parts
    TEXT CHECK (awaits IN ('bot', 'children'));
ALTER TABLE jobs ADD COLUMN recipient -- the phone that a message goes to
    TEXT CHECK (length(recipient) BETWEEN 1 AND 64);
ALTER TABLE jobs ADD COLUMN expires_at -- after which it is not worth while any more
    TEXT CHECK (expires_at GLOB '????-??-??T??:??:??.???Z' AND expires_at IS strftime('%Y-%m-%dT%H:%M:%fZ', expires_at, '+0 days'));

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

ALTER TABLE webhooks ADD COLUMN previous_secret -- the secret before the last rotation, good until previous_until
    TEXT CHECK (length(previous_secret) BETWEEN 1 AND 256 AND instr(previous_secret, char(0)) = 0);
ALTER TABLE webhooks ADD COLUMN previous_until -- until when calls are signed with the previous secret too
    TEXT CHECK (previous_until GLOB '????-??-??T??:??:??.???Z' AND previous_until IS strftime('%Y-%m-%dT%H:%M:%fZ', previous_until, '+0 days'));
ALTER TABLE webhooks ADD COLUMN failing_since -- the first failed delivery since the last success
    TEXT CHECK (failing_since GLOB '????-??-??T??:??:??.???Z' AND failing_since IS strftime('%Y-%m-%dT%H:%M:%fZ', failing_since, '+0 days'));
ALTER TABLE webhooks ADD COLUMN last_success_at -- the last answer of 2xx
    TEXT CHECK (last_success_at GLOB '????-??-??T??:??:??.???Z' AND last_success_at IS strftime('%Y-%m-%dT%H:%M:%fZ', last_success_at, '+0 days'));
ALTER TABLE webhooks ADD COLUMN last_failure_at -- the last failed attempt
    TEXT CHECK (last_failure_at GLOB '????-??-??T??:??:??.???Z' AND last_failure_at IS strftime('%Y-%m-%dT%H:%M:%fZ', last_failure_at, '+0 days'));
ALTER TABLE webhooks ADD COLUMN last_error -- why that failed
    TEXT CHECK (length(last_error) BETWEEN 1 AND 500 AND instr(last_error, char(0)) = 0);
ALTER TABLE webhooks ADD COLUMN heard_from -- it hears of events behind this offset of the log, which had come so far when it was made or made active
    INTEGER NOT NULL DEFAULT 0 CHECK (heard_from >= 0);
ALTER TABLE log_state ADD COLUMN webhook_changes -- how often webhooks were changed, for who keeps them in memory
    INTEGER NOT NULL DEFAULT 0 CHECK (webhook_changes >= 0);
CREATE INDEX webhooks_called ON webhooks (merchant_id, id) WHERE is_active;

ALTER TABLE orders ADD COLUMN stock_taken -- whether its goods have left the stock
    INTEGER NOT NULL DEFAULT 1 CHECK (stock_taken IN (0, 1));
DROP TRIGGER orders_version;
DROP TRIGGER orders_audit_insert;
DROP TRIGGER orders_audit_update;
DROP TRIGGER orders_audit_delete;
CREATE TRIGGER orders_version BEFORE UPDATE ON orders
WHEN NEW.version IS NOT OLD.version + 1
    AND (NEW.id IS NOT OLD.id
        OR NEW.merchant_id IS NOT OLD.merchant_id
        OR NEW.customer_phone IS NOT OLD.customer_phone
        OR NEW.customer_id IS NOT OLD.customer_id
        OR NEW.items IS NOT OLD.items
        OR NEW.total IS NOT OLD.total
        OR NEW.currency IS NOT OLD.currency
        OR NEW.status IS NOT OLD.status
        OR NEW.payment_status IS NOT OLD.payment_status
        OR NEW.notes IS NOT OLD.notes
        OR NEW.stock_taken IS NOT OLD.stock_taken
        OR NEW.version IS NOT OLD.version
        OR NEW.created_at IS NOT OLD.created_at
        OR NEW.updated_at IS NOT OLD.updated_at)
BEGIN
    SELECT RAISE(ABORT, 'version: a change of orders adds one to it');
END;
CREATE TRIGGER orders_audit_insert AFTER INSERT ON orders
BEGIN
    INSERT INTO audit_logs
    SELECT id, NEW.merchant_id, actor_id, actor_role, 'CREATE', 'order', NEW.id,
        NULL,
        json_object(
            'id', NEW.id,
            'merchant_id', NEW.merchant_id,
            'customer_phone', NEW.customer_phone,
            'customer_id', NEW.customer_id,
            'items', json(NEW.items),
            'total', NEW.total,
            'currency', NEW.currency,
            'status', NEW.status,
            'payment_status', NEW.payment_status,
            'notes', NEW.notes,
            'stock_taken', json(CASE NEW.stock_taken WHEN 1 THEN 'true' ELSE 'false' END),
            'version', NEW.version,
            'created_at', NEW.created_at,
            'updated_at', NEW.updated_at
        ),
        ip_address, user_agent, created_at
    FROM audit_stamp;
END;
CREATE TRIGGER orders_audit_update AFTER UPDATE ON orders
WHEN NEW.id IS NOT OLD.id
        OR NEW.merchant_id IS NOT OLD.merchant_id
        OR NEW.customer_phone IS NOT OLD.customer_phone
        OR NEW.customer_id IS NOT OLD.customer_id
        OR NEW.items IS NOT OLD.items
        OR NEW.total IS NOT OLD.total
        OR NEW.currency IS NOT OLD.currency
        OR NEW.status IS NOT OLD.status
        OR NEW.payment_status IS NOT OLD.payment_status
        OR NEW.notes IS NOT OLD.notes
        OR NEW.stock_taken IS NOT OLD.stock_taken
        OR NEW.version IS NOT OLD.version
        OR NEW.created_at IS NOT OLD.created_at
        OR NEW.updated_at IS NOT OLD.updated_at
BEGIN
    INSERT INTO audit_logs
    SELECT id, NEW.merchant_id, actor_id, actor_role, 'UPDATE', 'order', NEW.id,
        json_object(
            'id', OLD.id,
            'merchant_id', OLD.merchant_id,
            'customer_phone', OLD.customer_phone,
            'customer_id', OLD.customer_id,
            'items', json(OLD.items),
            'total', OLD.total,
            'currency', OLD.currency,
            'status', OLD.status,
            'payment_status', OLD.payment_status,
            'notes', OLD.notes,
            'stock_taken', json(CASE OLD.stock_taken WHEN 1 THEN 'true' ELSE 'false' END),
            'version', OLD.version,
            'created_at', OLD.created_at,
            'updated_at', OLD.updated_at
        ),
        json_object(
            'id', NEW.id,
            'merchant_id', NEW.merchant_id,
            'customer_phone', NEW.customer_phone,
            'customer_id', NEW.customer_id,
            'items', json(NEW.items),
            'total', NEW.total,
            'currency', NEW.currency,
            'status', NEW.status,
            'payment_status', NEW.payment_status,
            'notes', NEW.notes,
            'stock_taken', json(CASE NEW.stock_taken WHEN 1 THEN 'true' ELSE 'false' END),
            'version', NEW.version,
            'created_at', NEW.created_at,
            'updated_at', NEW.updated_at
        ),
        ip_address, user_agent, created_at
    FROM audit_stamp;
END;
CREATE TRIGGER orders_audit_delete BEFORE DELETE ON orders
BEGIN
    INSERT INTO audit_logs
    SELECT id, OLD.merchant_id, actor_id, actor_role, 'DELETE', 'order', OLD.id,
        json_object(
            'id', OLD.id,
            'merchant_id', OLD.merchant_id,
            'customer_phone', OLD.customer_phone,
            'customer_id', OLD.customer_id,
            'items', json(OLD.items),
            'total', OLD.total,
            'currency', OLD.currency,
            'status', OLD.status,
            'payment_status', OLD.payment_status,
            'notes', OLD.notes,
            'stock_taken', json(CASE OLD.stock_taken WHEN 1 THEN 'true' ELSE 'false' END),
            'version', OLD.version,
            'created_at', OLD.created_at,
            'updated_at', OLD.updated_at
        ),
        NULL,
        ip_address, user_agent, created_at
    FROM audit_stamp;
END;

-- Attempts of jobs that did not succeed.
CREATE TABLE job_attempts (
    merchant_id TEXT NOT NULL, -- whose row
    job_id TEXT NOT NULL CHECK (length(job_id) BETWEEN 1 AND 64), -- the job
    attempt INTEGER NOT NULL CHECK (attempt >= 1), -- from 1
    worker TEXT CHECK (length(worker) BETWEEN 1 AND 64), -- who held it
    outcome TEXT NOT NULL CHECK (outcome IN ('failed', 'lost', 'uncertain')), -- failed, lost with its worker, or uncertain: nobody knows whether it was done
    error TEXT NOT NULL CHECK (length(error) BETWEEN 0 AND 4096 AND instr(error, char(0)) = 0), -- why
    traceback TEXT CHECK (length(traceback) BETWEEN 0 AND 16384 AND instr(traceback, char(0)) = 0), -- where, for developers
    started_at TEXT CHECK (started_at GLOB '????-??-??T??:??:??.???Z' AND started_at IS strftime('%Y-%m-%dT%H:%M:%fZ', started_at, '+0 days')), -- when it began
    ended_at TEXT NOT NULL CHECK (ended_at GLOB '????-??-??T??:??:??.???Z' AND ended_at IS strftime('%Y-%m-%dT%H:%M:%fZ', ended_at, '+0 days')), -- when it ended
    PRIMARY KEY (merchant_id, job_id, attempt),
    FOREIGN KEY (merchant_id, job_id) REFERENCES jobs (merchant_id, id) ON DELETE CASCADE
) STRICT;
CREATE TRIGGER job_attempts_sealed_insert BEFORE INSERT ON job_attempts
WHEN NOT EXISTS (SELECT 1 FROM scope WHERE merchant_id IN (NEW.merchant_id, '*'))
BEGIN
    SELECT RAISE(ABORT, 'sealed: job_attempts of a merchant that is not bound');
END;
CREATE TRIGGER job_attempts_sealed_update BEFORE UPDATE ON job_attempts
WHEN NOT EXISTS (SELECT 1 FROM scope WHERE merchant_id IN (OLD.merchant_id, '*'))
BEGIN
    SELECT RAISE(ABORT, 'sealed: job_attempts of a merchant that is not bound');
END;
CREATE TRIGGER job_attempts_sealed_delete BEFORE DELETE ON job_attempts
WHEN NOT EXISTS (SELECT 1 FROM scope WHERE merchant_id IN (OLD.merchant_id, '*'))
BEGIN
    SELECT RAISE(ABORT, 'sealed: job_attempts of a merchant that is not bound');
END;
CREATE TRIGGER job_attempts_pinned BEFORE UPDATE ON job_attempts
WHEN NEW.merchant_id IS NOT OLD.merchant_id
        OR NEW.job_id IS NOT OLD.job_id
        OR NEW.attempt IS NOT OLD.attempt
BEGIN
    SELECT RAISE(ABORT, 'pinned: merchant_id, job_id, attempt of job_attempts never change');
END;

-- What a job works on, where that is large; removed once it is used.
CREATE TABLE job_inputs (
    merchant_id TEXT NOT NULL, -- whose row
    job_id TEXT NOT NULL CHECK (length(job_id) BETWEEN 1 AND 64), -- the job
    input TEXT NOT NULL CHECK (json_valid(input) AND instr(input, char(0)) = 0 AND json_type(input) = 'array'), -- the recipients of a bulk send
    PRIMARY KEY (merchant_id, job_id),
    FOREIGN KEY (merchant_id, job_id) REFERENCES jobs (merchant_id, id) ON DELETE CASCADE
) STRICT;
CREATE TRIGGER job_inputs_sealed_insert BEFORE INSERT ON job_inputs
WHEN NOT EXISTS (SELECT 1 FROM scope WHERE merchant_id IN (NEW.merchant_id, '*'))
BEGIN
    SELECT RAISE(ABORT, 'sealed: job_inputs of a merchant that is not bound');
END;
CREATE TRIGGER job_inputs_sealed_update BEFORE UPDATE ON job_inputs
WHEN NOT EXISTS (SELECT 1 FROM scope WHERE merchant_id IN (OLD.merchant_id, '*'))
BEGIN
    SELECT RAISE(ABORT, 'sealed: job_inputs of a merchant that is not bound');
END;
CREATE TRIGGER job_inputs_sealed_delete BEFORE DELETE ON job_inputs
WHEN NOT EXISTS (SELECT 1 FROM scope WHERE merchant_id IN (OLD.merchant_id, '*'))
BEGIN
    SELECT RAISE(ABORT, 'sealed: job_inputs of a merchant that is not bound');
END;
CREATE TRIGGER job_inputs_pinned BEFORE UPDATE ON job_inputs
WHEN NEW.merchant_id IS NOT OLD.merchant_id
        OR NEW.job_id IS NOT OLD.job_id
BEGIN
    SELECT RAISE(ABORT, 'pinned: merchant_id, job_id of job_inputs never change');
END;

-- Who holds running jobs: workers, and hubs for their bots. Who was silent for too long holds none any more.
CREATE TABLE workers (
    id TEXT NOT NULL CHECK (length(id) BETWEEN 1 AND 64) PRIMARY KEY, -- made at each start
    instance_id TEXT NOT NULL CHECK (length(instance_id) BETWEEN 1 AND 64), -- the data directory that it belongs to: a later life of it knows that this one is over
    kind TEXT NOT NULL CHECK (kind IN ('worker', 'bots')), -- worker, or bots: a hub that hands tasks to bots
    queues TEXT NOT NULL CHECK (json_valid(queues) AND instr(queues, char(0)) = 0 AND json_type(queues) = 'array'), -- the queues that it works on
    host TEXT NOT NULL CHECK (length(host) BETWEEN 0 AND 255 AND instr(host, char(0)) = 0), -- the machine
    pid INTEGER NOT NULL CHECK (pid >= 0), -- the process
    started_at TEXT NOT NULL CHECK (started_at GLOB '????-??-??T??:??:??.???Z' AND started_at IS strftime('%Y-%m-%dT%H:%M:%fZ', started_at, '+0 days')), -- when it started
    seen_at TEXT NOT NULL CHECK (seen_at GLOB '????-??-??T??:??:??.???Z' AND seen_at IS strftime('%Y-%m-%dT%H:%M:%fZ', seen_at, '+0 days')) -- its last sign of life
) STRICT;
CREATE INDEX workers_seen ON workers (seen_at);
CREATE INDEX workers_instance ON workers (instance_id);

-- Queues that stand still.
CREATE TABLE paused_queues (
    merchant_id TEXT NOT NULL, -- whose jobs wait; '*': everybody's
    queue TEXT NOT NULL CHECK (queue IN ('media_processing', 'message_sending', 'order_processing', 'webhook_delivery')), -- which of the four queues
    paused_by TEXT CHECK (length(paused_by) BETWEEN 1 AND 64), -- the key that did it; NULL: the hub itself
    paused_at TEXT NOT NULL CHECK (paused_at GLOB '????-??-??T??:??:??.???Z' AND paused_at IS strftime('%Y-%m-%dT%H:%M:%fZ', paused_at, '+0 days')), -- when
    PRIMARY KEY (merchant_id, queue)
) STRICT;
CREATE TRIGGER paused_queues_sealed_insert BEFORE INSERT ON paused_queues
WHEN NOT EXISTS (SELECT 1 FROM scope WHERE merchant_id IN (NEW.merchant_id, '*'))
BEGIN
    SELECT RAISE(ABORT, 'sealed: paused_queues of a merchant that is not bound');
END;
CREATE TRIGGER paused_queues_sealed_update BEFORE UPDATE ON paused_queues
WHEN NOT EXISTS (SELECT 1 FROM scope WHERE merchant_id IN (OLD.merchant_id, '*'))
BEGIN
    SELECT RAISE(ABORT, 'sealed: paused_queues of a merchant that is not bound');
END;
CREATE TRIGGER paused_queues_sealed_delete BEFORE DELETE ON paused_queues
WHEN NOT EXISTS (SELECT 1 FROM scope WHERE merchant_id IN (OLD.merchant_id, '*'))
BEGIN
    SELECT RAISE(ABORT, 'sealed: paused_queues of a merchant that is not bound');
END;
CREATE TRIGGER paused_queues_pinned BEFORE UPDATE ON paused_queues
WHEN NEW.merchant_id IS NOT OLD.merchant_id
        OR NEW.queue IS NOT OLD.queue
BEGIN
    SELECT RAISE(ABORT, 'pinned: merchant_id, queue of paused_queues never change');
END;

-- Jobs that come again and again.
CREATE TABLE recurring_jobs (
    id TEXT NOT NULL CHECK (length(id) BETWEEN 36 AND 36), -- UUIDv7
    merchant_id TEXT NOT NULL, -- whose row
    name TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 100 AND instr(name, char(0)) = 0), -- what people call it
    queue TEXT NOT NULL CHECK (queue IN ('media_processing', 'message_sending', 'order_processing', 'webhook_delivery')), -- which of the four queues
    task TEXT NOT NULL CHECK (length(task) BETWEEN 1 AND 64), -- the task
    args TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(args) AND instr(args, char(0)) = 0 AND json_type(args) = 'object'), -- its arguments
    schedule TEXT NOT NULL CHECK (length(schedule) BETWEEN 9 AND 100 AND instr(schedule, char(0)) = 0), -- minute, hour, day, month, weekday, as cron(5) writes them
    time_zone TEXT NOT NULL DEFAULT 'UTC' CHECK (length(time_zone) BETWEEN 1 AND 64), -- whose clock the schedule means, a name of the IANA database
    missed TEXT NOT NULL DEFAULT 'once' CHECK (missed IN ('skip', 'once', 'all')), -- what becomes of runs that came due while no hub ran: none, one for all of them, or each
    is_active INTEGER NOT NULL DEFAULT 1 CHECK (is_active IN (0, 1)), -- whether it comes again
    next_run_at TEXT CHECK (next_run_at GLOB '????-??-??T??:??:??.???Z' AND next_run_at IS strftime('%Y-%m-%dT%H:%M:%fZ', next_run_at, '+0 days')), -- when it comes next; NULL: not any more
    last_run_at TEXT CHECK (last_run_at GLOB '????-??-??T??:??:??.???Z' AND last_run_at IS strftime('%Y-%m-%dT%H:%M:%fZ', last_run_at, '+0 days')), -- when it came last
    created_by TEXT CHECK (length(created_by) BETWEEN 1 AND 64), -- the key that made it
    version INTEGER NOT NULL DEFAULT 1 CHECK (version >= 1), -- from 1, one more with every change: the ETag
    created_at TEXT NOT NULL CHECK (created_at GLOB '????-??-??T??:??:??.???Z' AND created_at IS strftime('%Y-%m-%dT%H:%M:%fZ', created_at, '+0 days')), -- when it was made
    updated_at TEXT NOT NULL CHECK (updated_at GLOB '????-??-??T??:??:??.???Z' AND updated_at IS strftime('%Y-%m-%dT%H:%M:%fZ', updated_at, '+0 days')), -- when it was last changed
    PRIMARY KEY (merchant_id, id),
    UNIQUE (merchant_id, name),
    FOREIGN KEY (merchant_id) REFERENCES merchants (id)
) STRICT;
CREATE INDEX recurring_jobs_id ON recurring_jobs (id);
CREATE INDEX recurring_jobs_due ON recurring_jobs (next_run_at, id) WHERE is_active AND next_run_at IS NOT NULL;
CREATE TRIGGER recurring_jobs_sealed_insert BEFORE INSERT ON recurring_jobs
WHEN NOT EXISTS (SELECT 1 FROM scope WHERE merchant_id IN (NEW.merchant_id, '*'))
BEGIN
    SELECT RAISE(ABORT, 'sealed: recurring_jobs of a merchant that is not bound');
END;
CREATE TRIGGER recurring_jobs_sealed_update BEFORE UPDATE ON recurring_jobs
WHEN NOT EXISTS (SELECT 1 FROM scope WHERE merchant_id IN (OLD.merchant_id, '*'))
BEGIN
    SELECT RAISE(ABORT, 'sealed: recurring_jobs of a merchant that is not bound');
END;
CREATE TRIGGER recurring_jobs_sealed_delete BEFORE DELETE ON recurring_jobs
WHEN NOT EXISTS (SELECT 1 FROM scope WHERE merchant_id IN (OLD.merchant_id, '*'))
BEGIN
    SELECT RAISE(ABORT, 'sealed: recurring_jobs of a merchant that is not bound');
END;
CREATE TRIGGER recurring_jobs_pinned BEFORE UPDATE ON recurring_jobs
WHEN NEW.id IS NOT OLD.id
        OR NEW.merchant_id IS NOT OLD.merchant_id
        OR NEW.created_at IS NOT OLD.created_at
BEGIN
    SELECT RAISE(ABORT, 'pinned: id, merchant_id, created_at of recurring_jobs never change');
END;
CREATE TRIGGER recurring_jobs_version BEFORE UPDATE ON recurring_jobs
WHEN NEW.version IS NOT OLD.version + 1
    AND (NEW.id IS NOT OLD.id
        OR NEW.merchant_id IS NOT OLD.merchant_id
        OR NEW.name IS NOT OLD.name
        OR NEW.queue IS NOT OLD.queue
        OR NEW.task IS NOT OLD.task
        OR NEW.args IS NOT OLD.args
        OR NEW.schedule IS NOT OLD.schedule
        OR NEW.time_zone IS NOT OLD.time_zone
        OR NEW.missed IS NOT OLD.missed
        OR NEW.is_active IS NOT OLD.is_active
        OR NEW.next_run_at IS NOT OLD.next_run_at
        OR NEW.last_run_at IS NOT OLD.last_run_at
        OR NEW.created_by IS NOT OLD.created_by
        OR NEW.version IS NOT OLD.version
        OR NEW.created_at IS NOT OLD.created_at
        OR NEW.updated_at IS NOT OLD.updated_at)
BEGIN
    SELECT RAISE(ABORT, 'version: a change of recurring_jobs adds one to it');
END;
CREATE TRIGGER recurring_jobs_audit_insert AFTER INSERT ON recurring_jobs
BEGIN
    INSERT INTO audit_logs
    SELECT id, NEW.merchant_id, actor_id, actor_role, 'CREATE', 'recurring_job', NEW.id,
        NULL,
        json_object(
            'id', NEW.id,
            'merchant_id', NEW.merchant_id,
            'name', NEW.name,
            'queue', NEW.queue,
            'task', NEW.task,
            'args', json(NEW.args),
            'schedule', NEW.schedule,
            'time_zone', NEW.time_zone,
            'missed', NEW.missed,
            'is_active', json(CASE NEW.is_active WHEN 1 THEN 'true' ELSE 'false' END),
            'next_run_at', NEW.next_run_at,
            'last_run_at', NEW.last_run_at,
            'created_by', NEW.created_by,
            'version', NEW.version,
            'created_at', NEW.created_at,
            'updated_at', NEW.updated_at
        ),
        ip_address, user_agent, created_at
    FROM audit_stamp;
END;
CREATE TRIGGER recurring_jobs_audit_update AFTER UPDATE ON recurring_jobs
WHEN NEW.id IS NOT OLD.id
        OR NEW.merchant_id IS NOT OLD.merchant_id
        OR NEW.name IS NOT OLD.name
        OR NEW.queue IS NOT OLD.queue
        OR NEW.task IS NOT OLD.task
        OR NEW.args IS NOT OLD.args
        OR NEW.schedule IS NOT OLD.schedule
        OR NEW.time_zone IS NOT OLD.time_zone
        OR NEW.missed IS NOT OLD.missed
        OR NEW.is_active IS NOT OLD.is_active
        OR NEW.created_by IS NOT OLD.created_by
        OR NEW.created_at IS NOT OLD.created_at
BEGIN
    INSERT INTO audit_logs
    SELECT id, NEW.merchant_id, actor_id, actor_role, 'UPDATE', 'recurring_job', NEW.id,
        json_object(
            'id', OLD.id,
            'merchant_id', OLD.merchant_id,
            'name', OLD.name,
            'queue', OLD.queue,
            'task', OLD.task,
            'args', json(OLD.args),
            'schedule', OLD.schedule,
            'time_zone', OLD.time_zone,
            'missed', OLD.missed,
            'is_active', json(CASE OLD.is_active WHEN 1 THEN 'true' ELSE 'false' END),
            'next_run_at', OLD.next_run_at,
            'last_run_at', OLD.last_run_at,
            'created_by', OLD.created_by,
            'version', OLD.version,
            'created_at', OLD.created_at,
            'updated_at', OLD.updated_at
        ),
        json_object(
            'id', NEW.id,
            'merchant_id', NEW.merchant_id,
            'name', NEW.name,
            'queue', NEW.queue,
            'task', NEW.task,
            'args', json(NEW.args),
            'schedule', NEW.schedule,
            'time_zone', NEW.time_zone,
            'missed', NEW.missed,
            'is_active', json(CASE NEW.is_active WHEN 1 THEN 'true' ELSE 'false' END),
            'next_run_at', NEW.next_run_at,
            'last_run_at', NEW.last_run_at,
            'created_by', NEW.created_by,
            'version', NEW.version,
            'created_at', NEW.created_at,
            'updated_at', NEW.updated_at
        ),
        ip_address, user_agent, created_at
    FROM audit_stamp;
END;
CREATE TRIGGER recurring_jobs_audit_delete BEFORE DELETE ON recurring_jobs
BEGIN
    INSERT INTO audit_logs
    SELECT id, OLD.merchant_id, actor_id, actor_role, 'DELETE', 'recurring_job', OLD.id,
        json_object(
            'id', OLD.id,
            'merchant_id', OLD.merchant_id,
            'name', OLD.name,
            'queue', OLD.queue,
            'task', OLD.task,
            'args', json(OLD.args),
            'schedule', OLD.schedule,
            'time_zone', OLD.time_zone,
            'missed', OLD.missed,
            'is_active', json(CASE OLD.is_active WHEN 1 THEN 'true' ELSE 'false' END),
            'next_run_at', OLD.next_run_at,
            'last_run_at', OLD.last_run_at,
            'created_by', OLD.created_by,
            'version', OLD.version,
            'created_at', OLD.created_at,
            'updated_at', OLD.updated_at
        ),
        NULL,
        ip_address, user_agent, created_at
    FROM audit_stamp;
END;

-- How far those have come who follow the log and must not miss an event.
CREATE TABLE log_cursors (
    name TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 64) PRIMARY KEY, -- who follows
    log_offset INTEGER NOT NULL CHECK (log_offset >= 0), -- up to here, inclusive
    updated_at TEXT NOT NULL CHECK (updated_at GLOB '????-??-??T??:??:??.???Z' AND updated_at IS strftime('%Y-%m-%dT%H:%M:%fZ', updated_at, '+0 days')) -- when it moved last
) STRICT;

-- When a recipient may be sent the next message.
CREATE TABLE send_slots (
    merchant_id TEXT NOT NULL, -- whose row
    phone TEXT NOT NULL CHECK (length(phone) BETWEEN 1 AND 64), -- the recipient
    free_at TEXT NOT NULL CHECK (free_at GLOB '????-??-??T??:??:??.???Z' AND free_at IS strftime('%Y-%m-%dT%H:%M:%fZ', free_at, '+0 days')), -- not before
    PRIMARY KEY (merchant_id, phone)
) STRICT;
CREATE INDEX send_slots_free ON send_slots (free_at);
CREATE TRIGGER send_slots_sealed_insert BEFORE INSERT ON send_slots
WHEN NOT EXISTS (SELECT 1 FROM scope WHERE merchant_id IN (NEW.merchant_id, '*'))
BEGIN
    SELECT RAISE(ABORT, 'sealed: send_slots of a merchant that is not bound');
END;
CREATE TRIGGER send_slots_sealed_update BEFORE UPDATE ON send_slots
WHEN NOT EXISTS (SELECT 1 FROM scope WHERE merchant_id IN (OLD.merchant_id, '*'))
BEGIN
    SELECT RAISE(ABORT, 'sealed: send_slots of a merchant that is not bound');
END;
CREATE TRIGGER send_slots_sealed_delete BEFORE DELETE ON send_slots
WHEN NOT EXISTS (SELECT 1 FROM scope WHERE merchant_id IN (OLD.merchant_id, '*'))
BEGIN
    SELECT RAISE(ABORT, 'sealed: send_slots of a merchant that is not bound');
END;
CREATE TRIGGER send_slots_pinned BEFORE UPDATE ON send_slots
WHEN NEW.merchant_id IS NOT OLD.merchant_id
        OR NEW.phone IS NOT OLD.phone
BEGIN
    SELECT RAISE(ABORT, 'pinned: merchant_id, phone of send_slots never change');
END;
