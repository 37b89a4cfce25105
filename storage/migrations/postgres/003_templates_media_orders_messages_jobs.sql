-- What merchants work with: templates, media, products, orders, deliveries, messages, webhooks, jobs.

-- Texts, buttons, lists and media that a merchant sends again and again. What WhatsApp takes counts
-- placeholders by the values that stand in them; the bounds here are those of what is kept.
CREATE TABLE message_templates (
    id TEXT COLLATE "C" NOT NULL CHECK (char_length(id) = 36), -- UUIDv7
    merchant_id TEXT COLLATE "C" NOT NULL, -- whose row
    name TEXT COLLATE "C" NOT NULL CHECK (name ~ '^[a-z0-9_]{3,50}$'), -- what it is called, unique per merchant
    description TEXT COLLATE "C" NOT NULL DEFAULT '' CHECK (char_length(description) BETWEEN 0 AND 200), -- what it is for
    type TEXT COLLATE "C" NOT NULL CHECK (type IN ('text', 'buttons', 'list', 'media')), -- which of the four forms it has
    language TEXT COLLATE "C" NOT NULL DEFAULT 'en' CHECK (char_length(language) BETWEEN 2 AND 16), -- the language of its text
    header TEXT COLLATE "C" CHECK (char_length(header) BETWEEN 0 AND 512), -- the line above the body
    body TEXT COLLATE "C" CHECK (char_length(body) BETWEEN 0 AND 8192), -- the text itself, with its {{variables}}
    footer TEXT COLLATE "C" CHECK (char_length(footer) BETWEEN 0 AND 512), -- the line below the body
    button_text TEXT COLLATE "C" CHECK (char_length(button_text) BETWEEN 1 AND 512), -- the opener of the list
    buttons JSONB CHECK (jsonb_typeof(buttons) = 'array'), -- [{id, label, callback_data}]
    sections JSONB CHECK (jsonb_typeof(sections) = 'array'), -- [{title, rows: [{id, title, description}]}]
    media JSONB CHECK (jsonb_typeof(media) = 'object'), -- {type, url or media_id, caption}
    variables JSONB NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(variables) = 'array'), -- the names in its text, derived from it
    example_payload JSONB CHECK (jsonb_typeof(example_payload) = 'object'), -- values to show it with
    version BIGINT NOT NULL DEFAULT 1 CHECK (version >= 1), -- from 1, one more with every change: the ETag
    status TEXT COLLATE "C" NOT NULL DEFAULT 'draft' CHECK (status IN ('draft', 'active', 'archived')), -- only an active one is sent
    created_by TEXT COLLATE "C" CHECK (char_length(created_by) BETWEEN 1 AND 64), -- the key that made it; NULL: the hub
    created_at TIMESTAMPTZ(3) NOT NULL CHECK (isfinite(created_at)), -- when it was made
    updated_at TIMESTAMPTZ(3) NOT NULL CHECK (isfinite(updated_at)), -- when it was last changed
    PRIMARY KEY (merchant_id, id),
    UNIQUE (merchant_id, name),
    FOREIGN KEY (merchant_id) REFERENCES merchants (id),
    CHECK (type = 'media' OR (body IS NOT NULL AND char_length(body) > 0)),
    CHECK (type <> 'buttons' OR (buttons IS NOT NULL AND jsonb_array_length(buttons) BETWEEN 1 AND 10)),
    CHECK (type <> 'list' OR (sections IS NOT NULL AND jsonb_array_length(sections) BETWEEN 1 AND 10)),
    CHECK (type <> 'media' OR media IS NOT NULL),
    CHECK (media IS NULL OR COALESCE(media ->> 'type' IN ('image', 'document'), FALSE)),
    CHECK (media IS NULL OR COALESCE(jsonb_typeof(media -> 'url'), 'null') = 'string' OR COALESCE(jsonb_typeof(media -> 'media_id'), 'null') = 'string'),
    CHECK (media IS NULL OR char_length(COALESCE(media ->> 'caption', '')) <= 8192)
);
CREATE INDEX message_templates_id ON message_templates (id);
CREATE INDEX message_templates_type ON message_templates (merchant_id, type, id);
CREATE INDEX message_templates_status ON message_templates (merchant_id, status, id);
CREATE INDEX message_templates_type_status ON message_templates (merchant_id, type, status, id);

-- What a template was in each of its versions; never changed.
CREATE TABLE template_versions (
    id TEXT COLLATE "C" NOT NULL CHECK (char_length(id) = 36), -- UUIDv7
    merchant_id TEXT COLLATE "C" NOT NULL, -- whose row
    template_id TEXT COLLATE "C" NOT NULL CHECK (char_length(template_id) = 36), -- the template
    version BIGINT NOT NULL CHECK (version >= 1), -- the version that this is
    name TEXT COLLATE "C" NOT NULL CHECK (name ~ '^[a-z0-9_]{3,50}$'), -- what it is called, unique per merchant
    description TEXT COLLATE "C" NOT NULL DEFAULT '' CHECK (char_length(description) BETWEEN 0 AND 200), -- what it is for
    type TEXT COLLATE "C" NOT NULL CHECK (type IN ('text', 'buttons', 'list', 'media')), -- which of the four forms it has
    language TEXT COLLATE "C" NOT NULL DEFAULT 'en' CHECK (char_length(language) BETWEEN 2 AND 16), -- the language of its text
    header TEXT COLLATE "C" CHECK (char_length(header) BETWEEN 0 AND 512), -- the line above the body
    body TEXT COLLATE "C" CHECK (char_length(body) BETWEEN 0 AND 8192), -- the text itself, with its {{variables}}
    footer TEXT COLLATE "C" CHECK (char_length(footer) BETWEEN 0 AND 512), -- the line below the body
    button_text TEXT COLLATE "C" CHECK (char_length(button_text) BETWEEN 1 AND 512), -- the opener of the list
    buttons JSONB CHECK (jsonb_typeof(buttons) = 'array'), -- [{id, label, callback_data}]
    sections JSONB CHECK (jsonb_typeof(sections) = 'array'), -- [{title, rows: [{id, title, description}]}]
    media JSONB CHECK (jsonb_typeof(media) = 'object'), -- {type, url or media_id, caption}
    variables JSONB NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(variables) = 'array'), -- the names in its text, derived from it
    example_payload JSONB CHECK (jsonb_typeof(example_payload) = 'object'), -- values to show it with
    status TEXT COLLATE "C" NOT NULL CHECK (status IN ('draft', 'active', 'archived')), -- the status in that version
    changed_by TEXT COLLATE "C" CHECK (char_length(changed_by) BETWEEN 1 AND 64), -- the key that made this version; NULL: the hub
    changed_at TIMESTAMPTZ(3) NOT NULL CHECK (isfinite(changed_at)), -- when it was made
    PRIMARY KEY (merchant_id, id),
    UNIQUE (merchant_id, template_id, version),
    FOREIGN KEY (merchant_id, template_id) REFERENCES message_templates (merchant_id, id) ON DELETE CASCADE,
    CHECK (type = 'media' OR (body IS NOT NULL AND char_length(body) > 0)),
    CHECK (type <> 'buttons' OR (buttons IS NOT NULL AND jsonb_array_length(buttons) BETWEEN 1 AND 10)),
    CHECK (type <> 'list' OR (sections IS NOT NULL AND jsonb_array_length(sections) BETWEEN 1 AND 10)),
    CHECK (type <> 'media' OR media IS NOT NULL),
    CHECK (media IS NULL OR COALESCE(media ->> 'type' IN ('image', 'document'), FALSE)),
    CHECK (media IS NULL OR COALESCE(jsonb_typeof(media -> 'url'), 'null') = 'string' OR COALESCE(jsonb_typeof(media -> 'media_id'), 'null') = 'string'),
    CHECK (media IS NULL OR char_length(COALESCE(media ->> 'caption', '')) <= 8192)
);
CREATE INDEX template_versions_id ON template_versions (id);

-- Pictures that were uploaded; their bytes lie in files.
CREATE TABLE media_files (
    id TEXT COLLATE "C" NOT NULL CHECK (char_length(id) = 36), -- UUIDv7
    merchant_id TEXT COLLATE "C" NOT NULL, -- whose row
    owner_id TEXT COLLATE "C" CHECK (char_length(owner_id) BETWEEN 1 AND 64), -- the key that uploaded it; NULL: the hub
    hash TEXT COLLATE "C" NOT NULL CHECK (hash ~ '^[0-9a-f]{64}$'), -- SHA-256 of the upload, hexadecimal
    original_name TEXT COLLATE "C" NOT NULL CHECK (char_length(original_name) BETWEEN 1 AND 255), -- its name where it came from
    file_name TEXT COLLATE "C" NOT NULL CHECK (char_length(file_name) BETWEEN 1 AND 255), -- its name in the store
    mime_type TEXT COLLATE "C" NOT NULL CHECK (mime_type IN ('image/jpeg', 'image/png', 'image/webp')), -- what it is
    size BIGINT NOT NULL CHECK (size BETWEEN 0 AND 5242880), -- bytes of the upload, 5 MB at most
    width BIGINT CHECK (width >= 1), -- pixels
    height BIGINT CHECK (height >= 1), -- pixels
    placeholder TEXT COLLATE "C" CHECK (char_length(placeholder) BETWEEN 1 AND 16384), -- a tiny picture to show while it loads
    url TEXT COLLATE "C" CHECK (char_length(url) BETWEEN 1 AND 500), -- where it is served, unsigned
    thumbnail_url TEXT COLLATE "C" CHECK (char_length(thumbnail_url) BETWEEN 1 AND 500), -- where its thumbnail is served, unsigned
    storage_path TEXT COLLATE "C" CHECK (char_length(storage_path) BETWEEN 1 AND 500), -- its file below the merchant's folder
    status TEXT COLLATE "C" NOT NULL DEFAULT 'uploading' CHECK (status IN ('uploading', 'processing', 'ready', 'failed')), -- how far it is
    metadata JSONB NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(metadata) = 'object'), -- what else is known of it
    version BIGINT NOT NULL DEFAULT 1 CHECK (version >= 1), -- from 1, one more with every change: the ETag
    created_at TIMESTAMPTZ(3) NOT NULL CHECK (isfinite(created_at)), -- when it was made
    updated_at TIMESTAMPTZ(3) NOT NULL CHECK (isfinite(updated_at)), -- when it was last changed
    expires_at TIMESTAMPTZ(3) CHECK (isfinite(expires_at)), -- when it may be removed; NULL: never
    PRIMARY KEY (merchant_id, id),
    UNIQUE (merchant_id, hash),
    FOREIGN KEY (merchant_id) REFERENCES merchants (id)
);
CREATE INDEX media_files_id ON media_files (id);
CREATE INDEX media_files_status ON media_files (merchant_id, status, id);
CREATE INDEX media_files_expired ON media_files (expires_at, id) WHERE expires_at IS NOT NULL;

-- What a merchant sells.
CREATE TABLE products (
    id TEXT COLLATE "C" NOT NULL CHECK (char_length(id) = 36), -- UUIDv7
    merchant_id TEXT COLLATE "C" NOT NULL, -- whose row
    name TEXT COLLATE "C" NOT NULL CHECK (char_length(name) BETWEEN 1 AND 200), -- what it is called
    description TEXT COLLATE "C" NOT NULL DEFAULT '' CHECK (char_length(description) BETWEEN 0 AND 4096), -- what it is
    category TEXT COLLATE "C" CHECK (char_length(category) BETWEEN 1 AND 120), -- the shelf it stands on
    price BIGINT NOT NULL CHECK (price >= 0), -- in minor units of the currency
    currency TEXT COLLATE "C" NOT NULL CHECK (currency ~ '^[A-Z]{3}$'), -- ISO 4217: three capitals
    stock BIGINT NOT NULL DEFAULT 0 CHECK (stock >= 0), -- how many are left
    is_active BOOLEAN NOT NULL DEFAULT TRUE, -- whether it is for sale
    version BIGINT NOT NULL DEFAULT 1 CHECK (version >= 1), -- from 1, one more with every change: the ETag
    created_at TIMESTAMPTZ(3) NOT NULL CHECK (isfinite(created_at)), -- when it was made
    updated_at TIMESTAMPTZ(3) NOT NULL CHECK (isfinite(updated_at)), -- when it was last changed
    PRIMARY KEY (merchant_id, id),
    FOREIGN KEY (merchant_id) REFERENCES merchants (id)
);
CREATE INDEX products_id ON products (id);
CREATE INDEX products_category ON products (merchant_id, category, id);
CREATE INDEX products_active ON products (merchant_id, is_active, id);
CREATE INDEX products_category_active ON products (merchant_id, category, is_active, id);

-- The pictures of a product, in their order.
CREATE TABLE product_media (
    id TEXT COLLATE "C" NOT NULL CHECK (char_length(id) = 36), -- UUIDv7
    merchant_id TEXT COLLATE "C" NOT NULL, -- whose row
    product_id TEXT COLLATE "C" NOT NULL CHECK (char_length(product_id) = 36), -- the product
    media_id TEXT COLLATE "C" NOT NULL CHECK (char_length(media_id) = 36), -- the picture
    sequence BIGINT NOT NULL CHECK (sequence >= 0), -- its place, from 0
    is_primary BOOLEAN NOT NULL DEFAULT FALSE, -- the one shown first; one per product
    version BIGINT NOT NULL DEFAULT 1 CHECK (version >= 1), -- from 1, one more with every change: the ETag
    created_at TIMESTAMPTZ(3) NOT NULL CHECK (isfinite(created_at)), -- when it was made
    updated_at TIMESTAMPTZ(3) NOT NULL CHECK (isfinite(updated_at)), -- when it was last changed
    PRIMARY KEY (merchant_id, id),
    UNIQUE (merchant_id, product_id, media_id),
    UNIQUE (merchant_id, product_id, sequence),
    FOREIGN KEY (merchant_id, product_id) REFERENCES products (merchant_id, id) ON DELETE CASCADE,
    FOREIGN KEY (merchant_id, media_id) REFERENCES media_files (merchant_id, id)
);
CREATE INDEX product_media_id ON product_media (id);
CREATE UNIQUE INDEX product_media_primary ON product_media (merchant_id, product_id) WHERE is_primary;
CREATE INDEX product_media_media ON product_media (merchant_id, media_id, id);

-- What customers ordered.
CREATE TABLE orders (
    id TEXT COLLATE "C" NOT NULL CHECK (char_length(id) = 36), -- UUIDv7
    merchant_id TEXT COLLATE "C" NOT NULL, -- whose row
    customer_phone TEXT COLLATE "C" NOT NULL CHECK (char_length(customer_phone) BETWEEN 1 AND 32), -- who ordered
    customer_id TEXT COLLATE "C" CHECK (char_length(customer_id) BETWEEN 1 AND 128), -- the merchant's own id of the customer
    items JSONB NOT NULL CHECK (jsonb_typeof(items) = 'array'), -- [{product_id, name, quantity, price}]
    total BIGINT NOT NULL CHECK (total >= 0), -- in minor units of the currency
    currency TEXT COLLATE "C" NOT NULL CHECK (currency ~ '^[A-Z]{3}$'), -- ISO 4217: three capitals
    status TEXT COLLATE "C" NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'confirmed', 'preparing', 'dispatched', 'delivered', 'cancelled')), -- how far it is
    payment_status TEXT COLLATE "C" NOT NULL DEFAULT 'unpaid' CHECK (payment_status IN ('unpaid', 'partial', 'paid', 'refunded')), -- how much of it is paid
    notes TEXT COLLATE "C" CHECK (char_length(notes) BETWEEN 0 AND 4096), -- what else the customer said
    version BIGINT NOT NULL DEFAULT 1 CHECK (version >= 1), -- from 1, one more with every change: the ETag
    created_at TIMESTAMPTZ(3) NOT NULL CHECK (isfinite(created_at)), -- when it was made
    updated_at TIMESTAMPTZ(3) NOT NULL CHECK (isfinite(updated_at)), -- when it was last changed
    PRIMARY KEY (merchant_id, id),
    FOREIGN KEY (merchant_id) REFERENCES merchants (id)
);
CREATE INDEX orders_id ON orders (id);
CREATE INDEX orders_status ON orders (merchant_id, status, id);
CREATE INDEX orders_customer ON orders (merchant_id, customer_phone, id);
CREATE INDEX orders_payment ON orders (merchant_id, payment_status, id);

-- What customers paid; never changed.
CREATE TABLE payments (
    id TEXT COLLATE "C" NOT NULL CHECK (char_length(id) = 36), -- UUIDv7
    merchant_id TEXT COLLATE "C" NOT NULL, -- whose row
    order_id TEXT COLLATE "C" NOT NULL CHECK (char_length(order_id) = 36), -- the order
    amount BIGINT NOT NULL CHECK (amount >= 1), -- in minor units of the currency
    currency TEXT COLLATE "C" NOT NULL CHECK (currency ~ '^[A-Z]{3}$'), -- ISO 4217: three capitals, the order's
    method TEXT COLLATE "C" NOT NULL CHECK (char_length(method) BETWEEN 1 AND 64), -- how it was paid
    transaction_id TEXT COLLATE "C" NOT NULL CHECK (char_length(transaction_id) BETWEEN 1 AND 128), -- what the payer's side calls it, unique per merchant
    created_by TEXT COLLATE "C" CHECK (char_length(created_by) BETWEEN 1 AND 64), -- the key that took it; NULL: the hub
    created_at TIMESTAMPTZ(3) NOT NULL CHECK (isfinite(created_at)), -- when it was taken
    PRIMARY KEY (merchant_id, id),
    UNIQUE (merchant_id, transaction_id),
    FOREIGN KEY (merchant_id) REFERENCES merchants (id),
    FOREIGN KEY (merchant_id, order_id) REFERENCES orders (merchant_id, id)
);
CREATE INDEX payments_id ON payments (id);
CREATE INDEX payments_order ON payments (merchant_id, order_id, id);

-- Orders on their way to the customer.
CREATE TABLE delivery_tasks (
    id TEXT COLLATE "C" NOT NULL CHECK (char_length(id) = 36), -- UUIDv7
    merchant_id TEXT COLLATE "C" NOT NULL, -- whose row
    order_id TEXT COLLATE "C" NOT NULL CHECK (char_length(order_id) = 36), -- the order
    driver_id TEXT COLLATE "C" CHECK (char_length(driver_id) BETWEEN 1 AND 128), -- who drives
    status TEXT COLLATE "C" NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'accepted', 'arrived', 'in_transit', 'delivered', 'failed', 'cancelled')), -- how far it is
    pickup_lat DOUBLE PRECISION CHECK (pickup_lat BETWEEN -90 AND 90), -- degrees
    pickup_lng DOUBLE PRECISION CHECK (pickup_lng BETWEEN -180 AND 180), -- degrees
    dropoff_lat DOUBLE PRECISION CHECK (dropoff_lat BETWEEN -90 AND 90), -- degrees
    dropoff_lng DOUBLE PRECISION CHECK (dropoff_lng BETWEEN -180 AND 180), -- degrees
    estimated_time_minutes BIGINT CHECK (estimated_time_minutes >= 0), -- how long it may take
    distance_km DOUBLE PRECISION CHECK (distance_km >= 0 AND distance_km < 'Infinity'), -- how far it is
    fee BIGINT NOT NULL DEFAULT 0 CHECK (fee >= 0), -- in minor units of the order's currency
    notes TEXT COLLATE "C" CHECK (char_length(notes) BETWEEN 0 AND 4096), -- what the driver should know
    version BIGINT NOT NULL DEFAULT 1 CHECK (version >= 1), -- from 1, one more with every change: the ETag
    created_at TIMESTAMPTZ(3) NOT NULL CHECK (isfinite(created_at)), -- when it was made
    updated_at TIMESTAMPTZ(3) NOT NULL CHECK (isfinite(updated_at)), -- when it was last changed
    completed_at TIMESTAMPTZ(3) CHECK (isfinite(completed_at)), -- when it was delivered
    PRIMARY KEY (merchant_id, id),
    FOREIGN KEY (merchant_id) REFERENCES merchants (id),
    FOREIGN KEY (merchant_id, order_id) REFERENCES orders (merchant_id, id)
);
CREATE INDEX delivery_tasks_id ON delivery_tasks (id);
CREATE INDEX delivery_tasks_order ON delivery_tasks (merchant_id, order_id, id);
CREATE INDEX delivery_tasks_status ON delivery_tasks (merchant_id, status, id);
CREATE INDEX delivery_tasks_driver ON delivery_tasks (merchant_id, driver_id, id);

-- Conversations: every message in and out.
CREATE TABLE messages (
    id TEXT COLLATE "C" NOT NULL CHECK (char_length(id) = 36), -- UUIDv7
    merchant_id TEXT COLLATE "C" NOT NULL, -- whose row
    direction TEXT COLLATE "C" NOT NULL CHECK (direction IN ('inbound', 'outbound')), -- from the customer, or to them
    phone TEXT COLLATE "C" NOT NULL CHECK (char_length(phone) BETWEEN 1 AND 32), -- the customer's number
    chat TEXT COLLATE "C" CHECK (char_length(chat) BETWEEN 1 AND 128), -- the gateway's name of the chat
    text TEXT COLLATE "C" CHECK (char_length(text) BETWEEN 0 AND 65536), -- what it says
    type TEXT COLLATE "C" NOT NULL DEFAULT 'text' CHECK (char_length(type) BETWEEN 1 AND 32), -- text, buttons, list, media, or what the gateway calls it
    template_id TEXT COLLATE "C" CHECK (char_length(template_id) = 36), -- the template that it was made from
    payload JSONB, -- the gateway's own form of it
    provider_id TEXT COLLATE "C" CHECK (char_length(provider_id) BETWEEN 1 AND 256), -- the gateway's id of it
    status TEXT COLLATE "C" NOT NULL CHECK (status IN ('queued', 'sent', 'delivered', 'read', 'failed', 'received')), -- how far it is
    error TEXT COLLATE "C" CHECK (char_length(error) BETWEEN 0 AND 4096), -- why it failed
    event_id TEXT COLLATE "C" CHECK (char_length(event_id) BETWEEN 1 AND 128), -- the event that brought it
    version BIGINT NOT NULL DEFAULT 1 CHECK (version >= 1), -- from 1, one more with every change: the ETag
    created_at TIMESTAMPTZ(3) NOT NULL CHECK (isfinite(created_at)), -- when it was made
    updated_at TIMESTAMPTZ(3) NOT NULL CHECK (isfinite(updated_at)), -- when it was last changed
    PRIMARY KEY (merchant_id, id),
    UNIQUE (merchant_id, provider_id),
    FOREIGN KEY (merchant_id) REFERENCES merchants (id)
);
CREATE INDEX messages_id ON messages (id);
CREATE INDEX messages_phone ON messages (merchant_id, phone, id);
CREATE INDEX messages_status ON messages (merchant_id, status, id);
CREATE INDEX messages_direction ON messages (merchant_id, direction, id);

-- Whom a merchant writes with: one row for each number in messages, kept by whoever adds a message.
CREATE TABLE conversations (
    merchant_id TEXT COLLATE "C" NOT NULL, -- whose row
    phone TEXT COLLATE "C" NOT NULL CHECK (char_length(phone) BETWEEN 1 AND 32), -- the customer's number
    last_message_id TEXT COLLATE "C" NOT NULL CHECK (char_length(last_message_id) = 36), -- the message with the greatest id
    messages BIGINT NOT NULL CHECK (messages >= 1), -- how many there are
    PRIMARY KEY (merchant_id, phone),
    FOREIGN KEY (merchant_id) REFERENCES merchants (id)
);
CREATE INDEX conversations_last ON conversations (merchant_id, last_message_id);

-- Where a merchant wants to hear of events.
CREATE TABLE webhooks (
    id TEXT COLLATE "C" NOT NULL CHECK (char_length(id) = 36), -- UUIDv7
    merchant_id TEXT COLLATE "C" NOT NULL, -- whose row
    event_types JSONB NOT NULL CHECK (jsonb_typeof(event_types) = 'array' AND jsonb_array_length(event_types) BETWEEN 1 AND 32), -- patterns: which events
    url TEXT COLLATE "C" NOT NULL CHECK (char_length(url) BETWEEN 1 AND 500 AND (substr(url, 1, 8) = 'https://' OR substr(url, 1, 7) = 'http://')), -- where they are posted
    is_active BOOLEAN NOT NULL DEFAULT TRUE, -- whether it is called
    secret TEXT COLLATE "C" NOT NULL CHECK (char_length(secret) BETWEEN 1 AND 256), -- what its calls are signed with
    retry_count BIGINT NOT NULL DEFAULT 0 CHECK (retry_count >= 0), -- failed attempts since the last success
    last_triggered_at TIMESTAMPTZ(3) CHECK (isfinite(last_triggered_at)), -- when it was last called
    disabled_reason TEXT COLLATE "C" CHECK (char_length(disabled_reason) BETWEEN 1 AND 500), -- why the hub calls it no longer
    version BIGINT NOT NULL DEFAULT 1 CHECK (version >= 1), -- from 1, one more with every change: the ETag
    created_at TIMESTAMPTZ(3) NOT NULL CHECK (isfinite(created_at)), -- when it was made
    updated_at TIMESTAMPTZ(3) NOT NULL CHECK (isfinite(updated_at)), -- when it was last changed
    PRIMARY KEY (merchant_id, id),
    FOREIGN KEY (merchant_id) REFERENCES merchants (id)
);
CREATE INDEX webhooks_id ON webhooks (id);
CREATE INDEX webhooks_active ON webhooks (merchant_id, is_active, id);

-- Every attempt to call a webhook.
CREATE TABLE webhook_logs (
    id TEXT COLLATE "C" NOT NULL CHECK (char_length(id) = 36), -- UUIDv7
    merchant_id TEXT COLLATE "C" NOT NULL, -- whose row
    webhook_id TEXT COLLATE "C" NOT NULL CHECK (char_length(webhook_id) = 36), -- the webhook
    delivery_id TEXT COLLATE "C" NOT NULL CHECK (char_length(delivery_id) BETWEEN 1 AND 64), -- one event to one webhook: the same in all attempts
    event_id TEXT COLLATE "C" NOT NULL CHECK (char_length(event_id) BETWEEN 1 AND 128), -- the event
    attempt BIGINT NOT NULL CHECK (attempt >= 1), -- from 1
    status TEXT COLLATE "C" NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'success', 'failed', 'dead')), -- how it went
    payload JSONB NOT NULL, -- what was posted
    response_status BIGINT CHECK (response_status BETWEEN 100 AND 599), -- of HTTP
    response_body TEXT COLLATE "C" CHECK (octet_length(response_body) <= 2048), -- its first 2 KiB
    duration_ms BIGINT CHECK (duration_ms >= 0), -- how long it took
    error_message TEXT COLLATE "C" CHECK (char_length(error_message) BETWEEN 0 AND 4096), -- why there was no answer
    next_retry_at TIMESTAMPTZ(3) CHECK (isfinite(next_retry_at)), -- when the next attempt is due
    version BIGINT NOT NULL DEFAULT 1 CHECK (version >= 1), -- from 1, one more with every change: the ETag
    created_at TIMESTAMPTZ(3) NOT NULL CHECK (isfinite(created_at)), -- when it was made
    updated_at TIMESTAMPTZ(3) NOT NULL CHECK (isfinite(updated_at)), -- when it was last changed
    PRIMARY KEY (merchant_id, id),
    UNIQUE (merchant_id, delivery_id, attempt),
    FOREIGN KEY (merchant_id, webhook_id) REFERENCES webhooks (merchant_id, id) ON DELETE CASCADE
);
CREATE INDEX webhook_logs_id ON webhook_logs (id);
CREATE INDEX webhook_logs_webhook ON webhook_logs (merchant_id, webhook_id, id);
CREATE INDEX webhook_logs_delivery ON webhook_logs (merchant_id, delivery_id, id);
CREATE INDEX webhook_logs_status ON webhook_logs (merchant_id, status, id);
CREATE INDEX webhook_logs_due ON webhook_logs (next_retry_at, id) WHERE next_retry_at IS NOT NULL;

-- The work of all four queues; arq only carries it out.
CREATE TABLE jobs (
    id TEXT COLLATE "C" NOT NULL CHECK (char_length(id) BETWEEN 1 AND 64), -- a UUIDv7, or a name such as order-{id}; the id in arq too
    merchant_id TEXT COLLATE "C" NOT NULL, -- whose row
    queue TEXT COLLATE "C" NOT NULL CHECK (queue IN ('media_processing', 'message_sending', 'order_processing', 'webhook_delivery')), -- which of the four queues
    name TEXT COLLATE "C" NOT NULL CHECK (char_length(name) BETWEEN 1 AND 64), -- the task
    args JSONB NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(args) = 'object'), -- its arguments
    state TEXT COLLATE "C" NOT NULL DEFAULT 'queued' CHECK (state IN ('scheduled', 'queued', 'running', 'succeeded', 'retrying', 'dead', 'cancelled')), -- how far it is
    priority BIGINT NOT NULL DEFAULT 0, -- higher first
    attempt BIGINT NOT NULL DEFAULT 0 CHECK (attempt >= 0), -- attempts begun
    max_attempts BIGINT NOT NULL DEFAULT 3 CHECK (max_attempts >= 1), -- after so many it is dead
    run_at TIMESTAMPTZ(3) NOT NULL CHECK (isfinite(run_at)), -- not before
    progress BIGINT NOT NULL DEFAULT 0 CHECK (progress BETWEEN 0 AND 100), -- percent
    note TEXT COLLATE "C" CHECK (char_length(note) BETWEEN 0 AND 500), -- what it is doing
    result JSONB, -- what came of it
    error TEXT COLLATE "C" CHECK (char_length(error) BETWEEN 0 AND 4096), -- why the last attempt failed
    parent_id TEXT COLLATE "C" CHECK (char_length(parent_id) BETWEEN 1 AND 64), -- the job that it is a part of
    unique_key TEXT COLLATE "C" CHECK (char_length(unique_key) BETWEEN 1 AND 256), -- no two open jobs of a queue share it
    timeout BIGINT CHECK (timeout >= 1), -- seconds that an attempt may take
    created_at TIMESTAMPTZ(3) NOT NULL CHECK (isfinite(created_at)), -- when it was made
    started_at TIMESTAMPTZ(3) CHECK (isfinite(started_at)), -- when the last attempt began
    finished_at TIMESTAMPTZ(3) CHECK (isfinite(finished_at)), -- when it ended for good
    updated_at TIMESTAMPTZ(3) NOT NULL CHECK (isfinite(updated_at)), -- when it was last changed
    version BIGINT NOT NULL DEFAULT 1 CHECK (version >= 1), -- from 1, one more with every change: the ETag
    PRIMARY KEY (merchant_id, id),
    FOREIGN KEY (merchant_id) REFERENCES merchants (id),
    FOREIGN KEY (merchant_id, parent_id) REFERENCES jobs (merchant_id, id) ON DELETE CASCADE
);
CREATE INDEX jobs_id ON jobs (id);
CREATE UNIQUE INDEX jobs_unique ON jobs (merchant_id, queue, unique_key) WHERE unique_key IS NOT NULL AND state IN ('scheduled', 'queued', 'running', 'retrying');
CREATE INDEX jobs_queue ON jobs (merchant_id, queue, id);
CREATE INDEX jobs_state ON jobs (merchant_id, state, id);
CREATE INDEX jobs_queue_state ON jobs (merchant_id, queue, state, id);
CREATE INDEX jobs_parent ON jobs (merchant_id, parent_id, id);
CREATE INDEX jobs_due ON jobs (queue, state, run_at, id);
CREATE INDEX jobs_all_queue ON jobs (queue, id);
CREATE INDEX jobs_all_state ON jobs (state, id);
CREATE INDEX jobs_all_queue_state ON jobs (queue, state, id);

-- First answers, kept so that a repeated call is answered alike.
CREATE TABLE idempotency_keys (
    merchant_id TEXT COLLATE "C" NOT NULL, -- whose call; '*' for an admin's that is about no merchant
    method TEXT COLLATE "C" NOT NULL CHECK (char_length(method) BETWEEN 1 AND 64), -- the command
    key TEXT COLLATE "C" NOT NULL CHECK (char_length(key) BETWEEN 1 AND 255), -- the caller's key
    request_hash TEXT COLLATE "C" NOT NULL CHECK (request_hash ~ '^[0-9a-f]{64}$'), -- SHA-256 of the request, hexadecimal
    response JSONB, -- the first answer; NULL until there is one
    created_at TIMESTAMPTZ(3) NOT NULL CHECK (isfinite(created_at)), -- when it was first called
    expires_at TIMESTAMPTZ(3) NOT NULL CHECK (isfinite(expires_at)), -- when it is forgotten
    PRIMARY KEY (merchant_id, method, key),
    CHECK (length(merchant_id) BETWEEN 1 AND 64)
);
CREATE INDEX idempotency_keys_expired ON idempotency_keys (expires_at);

CREATE INDEX api_keys_bootstrap ON api_keys (id) WHERE bootstrap;
-- The timelines of orders; other events are not in it, and cost nothing.
CREATE INDEX events_order ON events (merchant_id, subject, log_offset) WHERE subject >= 'order/' AND subject < 'order0';

-- No row of a merchant is seen or written unless that merchant, or every merchant, is bound.
ALTER TABLE message_templates ENABLE ROW LEVEL SECURITY;
ALTER TABLE message_templates FORCE ROW LEVEL SECURITY;
CREATE POLICY message_templates_every ON message_templates TO hub_app, CURRENT_USER
    USING ((SELECT hub_merchant()) = '*') WITH CHECK ((SELECT hub_merchant()) = '*');
CREATE POLICY message_templates_own ON message_templates TO hub_tenant
    USING (merchant_id = (SELECT hub_merchant())) WITH CHECK (merchant_id = (SELECT hub_merchant()));
GRANT SELECT, INSERT, UPDATE, DELETE ON message_templates TO hub_app, hub_tenant;
ALTER TABLE template_versions ENABLE ROW LEVEL SECURITY;
ALTER TABLE template_versions FORCE ROW LEVEL SECURITY;
CREATE POLICY template_versions_every ON template_versions TO hub_app, CURRENT_USER
    USING ((SELECT hub_merchant()) = '*') WITH CHECK ((SELECT hub_merchant()) = '*');
CREATE POLICY template_versions_own ON template_versions TO hub_tenant
    USING (merchant_id = (SELECT hub_merchant())) WITH CHECK (merchant_id = (SELECT hub_merchant()));
GRANT SELECT, INSERT, DELETE ON template_versions TO hub_app, hub_tenant;
ALTER TABLE media_files ENABLE ROW LEVEL SECURITY;
ALTER TABLE media_files FORCE ROW LEVEL SECURITY;
CREATE POLICY media_files_every ON media_files TO hub_app, CURRENT_USER
    USING ((SELECT hub_merchant()) = '*') WITH CHECK ((SELECT hub_merchant()) = '*');
CREATE POLICY media_files_own ON media_files TO hub_tenant
    USING (merchant_id = (SELECT hub_merchant())) WITH CHECK (merchant_id = (SELECT hub_merchant()));
GRANT SELECT, INSERT, UPDATE, DELETE ON media_files TO hub_app, hub_tenant;
ALTER TABLE products ENABLE ROW LEVEL SECURITY;
ALTER TABLE products FORCE ROW LEVEL SECURITY;
CREATE POLICY products_every ON products TO hub_app, CURRENT_USER
    USING ((SELECT hub_merchant()) = '*') WITH CHECK ((SELECT hub_merchant()) = '*');
CREATE POLICY products_own ON products TO hub_tenant
    USING (merchant_id = (SELECT hub_merchant())) WITH CHECK (merchant_id = (SELECT hub_merchant()));
GRANT SELECT, INSERT, UPDATE, DELETE ON products TO hub_app, hub_tenant;
ALTER TABLE product_media ENABLE ROW LEVEL SECURITY;
ALTER TABLE product_media FORCE ROW LEVEL SECURITY;
CREATE POLICY product_media_every ON product_media TO hub_app, CURRENT_USER
    USING ((SELECT hub_merchant()) = '*') WITH CHECK ((SELECT hub_merchant()) = '*');
CREATE POLICY product_media_own ON product_media TO hub_tenant
    USING (merchant_id = (SELECT hub_merchant())) WITH CHECK (merchant_id = (SELECT hub_merchant()));
GRANT SELECT, INSERT, UPDATE, DELETE ON product_media TO hub_app, hub_tenant;
ALTER TABLE orders ENABLE ROW LEVEL SECURITY;
ALTER TABLE orders FORCE ROW LEVEL SECURITY;
CREATE POLICY orders_every ON orders TO hub_app, CURRENT_USER
    USING ((SELECT hub_merchant()) = '*') WITH CHECK ((SELECT hub_merchant()) = '*');
CREATE POLICY orders_own ON orders TO hub_tenant
    USING (merchant_id = (SELECT hub_merchant())) WITH CHECK (merchant_id = (SELECT hub_merchant()));
GRANT SELECT, INSERT, UPDATE, DELETE ON orders TO hub_app, hub_tenant;
ALTER TABLE payments ENABLE ROW LEVEL SECURITY;
ALTER TABLE payments FORCE ROW LEVEL SECURITY;
CREATE POLICY payments_every ON payments TO hub_app, CURRENT_USER
    USING ((SELECT hub_merchant()) = '*') WITH CHECK ((SELECT hub_merchant()) = '*');
CREATE POLICY payments_own ON payments TO hub_tenant
    USING (merchant_id = (SELECT hub_merchant())) WITH CHECK (merchant_id = (SELECT hub_merchant()));
GRANT SELECT, INSERT, DELETE ON payments TO hub_app, hub_tenant;
ALTER TABLE delivery_tasks ENABLE ROW LEVEL SECURITY;
ALTER TABLE delivery_tasks FORCE ROW LEVEL SECURITY;
CREATE POLICY delivery_tasks_every ON delivery_tasks TO hub_app, CURRENT_USER
    USING ((SELECT hub_merchant()) = '*') WITH CHECK ((SELECT hub_merchant()) = '*');
CREATE POLICY delivery_tasks_own ON delivery_tasks TO hub_tenant
    USING (merchant_id = (SELECT hub_merchant())) WITH CHECK (merchant_id = (SELECT hub_merchant()));
GRANT SELECT, INSERT, UPDATE, DELETE ON delivery_tasks TO hub_app, hub_tenant;
ALTER TABLE messages ENABLE ROW LEVEL SECURITY;
ALTER TABLE messages FORCE ROW LEVEL SECURITY;
CREATE POLICY messages_every ON messages TO hub_app, CURRENT_USER
    USING ((SELECT hub_merchant()) = '*') WITH CHECK ((SELECT hub_merchant()) = '*');
CREATE POLICY messages_own ON messages TO hub_tenant
    USING (merchant_id = (SELECT hub_merchant())) WITH CHECK (merchant_id = (SELECT hub_merchant()));
GRANT SELECT, INSERT, UPDATE, DELETE ON messages TO hub_app, hub_tenant;
ALTER TABLE conversations ENABLE ROW LEVEL SECURITY;
ALTER TABLE conversations FORCE ROW LEVEL SECURITY;
CREATE POLICY conversations_every ON conversations TO hub_app, CURRENT_USER
    USING ((SELECT hub_merchant()) = '*') WITH CHECK ((SELECT hub_merchant()) = '*');
CREATE POLICY conversations_own ON conversations TO hub_tenant
    USING (merchant_id = (SELECT hub_merchant())) WITH CHECK (merchant_id = (SELECT hub_merchant()));
GRANT SELECT, INSERT, UPDATE, DELETE ON conversations TO hub_app, hub_tenant;
ALTER TABLE webhooks ENABLE ROW LEVEL SECURITY;
ALTER TABLE webhooks FORCE ROW LEVEL SECURITY;
CREATE POLICY webhooks_every ON webhooks TO hub_app, CURRENT_USER
    USING ((SELECT hub_merchant()) = '*') WITH CHECK ((SELECT hub_merchant()) = '*');
CREATE POLICY webhooks_own ON webhooks TO hub_tenant
    USING (merchant_id = (SELECT hub_merchant())) WITH CHECK (merchant_id = (SELECT hub_merchant()));
GRANT SELECT, INSERT, UPDATE, DELETE ON webhooks TO hub_app, hub_tenant;
ALTER TABLE webhook_logs ENABLE ROW LEVEL SECURITY;
ALTER TABLE webhook_logs FORCE ROW LEVEL SECURITY;
CREATE POLICY webhook_logs_every ON webhook_logs TO hub_app, CURRENT_USER
    USING ((SELECT hub_merchant()) = '*') WITH CHECK ((SELECT hub_merchant()) = '*');
CREATE POLICY webhook_logs_own ON webhook_logs TO hub_tenant
    USING (merchant_id = (SELECT hub_merchant())) WITH CHECK (merchant_id = (SELECT hub_merchant()));
GRANT SELECT, INSERT, UPDATE, DELETE ON webhook_logs TO hub_app, hub_tenant;
ALTER TABLE jobs ENABLE ROW LEVEL SECURITY;
ALTER TABLE jobs FORCE ROW LEVEL SECURITY;
CREATE POLICY jobs_every ON jobs TO hub_app, CURRENT_USER
    USING ((SELECT hub_merchant()) = '*') WITH CHECK ((SELECT hub_merchant()) = '*');
CREATE POLICY jobs_own ON jobs TO hub_tenant
    USING (merchant_id = (SELECT hub_merchant())) WITH CHECK (merchant_id = (SELECT hub_merchant()));
GRANT SELECT, INSERT, UPDATE, DELETE ON jobs TO hub_app, hub_tenant;
ALTER TABLE idempotency_keys ENABLE ROW LEVEL SECURITY;
ALTER TABLE idempotency_keys FORCE ROW LEVEL SECURITY;
CREATE POLICY idempotency_keys_every ON idempotency_keys TO hub_app, CURRENT_USER
    USING ((SELECT hub_merchant()) = '*') WITH CHECK ((SELECT hub_merchant()) = '*');
CREATE POLICY idempotency_keys_own ON idempotency_keys TO hub_tenant
    USING (merchant_id = (SELECT hub_merchant())) WITH CHECK (merchant_id = (SELECT hub_merchant()));
GRANT SELECT, INSERT, UPDATE, DELETE ON idempotency_keys TO hub_app, hub_tenant;

-- A change adds one to the version; whose row it is, its id and its beginning never change.
CREATE TRIGGER message_templates_pinned BEFORE UPDATE ON message_templates FOR EACH ROW
    WHEN ((NEW.id, NEW.merchant_id, NEW.created_at) IS DISTINCT FROM (OLD.id, OLD.merchant_id, OLD.created_at))
    EXECUTE FUNCTION refuse_row('pinned: id, merchant_id, created_at of message_templates never change');
CREATE TRIGGER message_templates_version BEFORE UPDATE ON message_templates FOR EACH ROW
    WHEN (NEW.version IS DISTINCT FROM OLD.version + 1 AND (NEW.*) IS DISTINCT FROM (OLD.*))
    EXECUTE FUNCTION refuse_row('version: a change of message_templates adds one to it');
CREATE TRIGGER template_versions_pinned BEFORE UPDATE ON template_versions FOR EACH ROW
    EXECUTE FUNCTION refuse_row('pinned: template_versions never change');
CREATE TRIGGER media_files_pinned BEFORE UPDATE ON media_files FOR EACH ROW
    WHEN ((NEW.id, NEW.merchant_id, NEW.created_at) IS DISTINCT FROM (OLD.id, OLD.merchant_id, OLD.created_at))
    EXECUTE FUNCTION refuse_row('pinned: id, merchant_id, created_at of media_files never change');
CREATE TRIGGER media_files_version BEFORE UPDATE ON media_files FOR EACH ROW
    WHEN (NEW.version IS DISTINCT FROM OLD.version + 1 AND (NEW.*) IS DISTINCT FROM (OLD.*))
    EXECUTE FUNCTION refuse_row('version: a change of media_files adds one to it');
CREATE TRIGGER products_pinned BEFORE UPDATE ON products FOR EACH ROW
    WHEN ((NEW.id, NEW.merchant_id, NEW.created_at) IS DISTINCT FROM (OLD.id, OLD.merchant_id, OLD.created_at))
    EXECUTE FUNCTION refuse_row('pinned: id, merchant_id, created_at of products never change');
CREATE TRIGGER products_version BEFORE UPDATE ON products FOR EACH ROW
    WHEN (NEW.version IS DISTINCT FROM OLD.version + 1 AND (NEW.*) IS DISTINCT FROM (OLD.*))
    EXECUTE FUNCTION refuse_row('version: a change of products adds one to it');
CREATE TRIGGER product_media_pinned BEFORE UPDATE ON product_media FOR EACH ROW
    WHEN ((NEW.id, NEW.merchant_id, NEW.created_at) IS DISTINCT FROM (OLD.id, OLD.merchant_id, OLD.created_at))
    EXECUTE FUNCTION refuse_row('pinned: id, merchant_id, created_at of product_media never change');
CREATE TRIGGER product_media_version BEFORE UPDATE ON product_media FOR EACH ROW
    WHEN (NEW.version IS DISTINCT FROM OLD.version + 1 AND (NEW.*) IS DISTINCT FROM (OLD.*))
    EXECUTE FUNCTION refuse_row('version: a change of product_media adds one to it');
CREATE TRIGGER orders_pinned BEFORE UPDATE ON orders FOR EACH ROW
    WHEN ((NEW.id, NEW.merchant_id, NEW.created_at) IS DISTINCT FROM (OLD.id, OLD.merchant_id, OLD.created_at))
    EXECUTE FUNCTION refuse_row('pinned: id, merchant_id, created_at of orders never change');
CREATE TRIGGER orders_version BEFORE UPDATE ON orders FOR EACH ROW
    WHEN (NEW.version IS DISTINCT FROM OLD.version + 1 AND (NEW.*) IS DISTINCT FROM (OLD.*))
    EXECUTE FUNCTION refuse_row('version: a change of orders adds one to it');
CREATE TRIGGER payments_pinned BEFORE UPDATE ON payments FOR EACH ROW
    EXECUTE FUNCTION refuse_row('pinned: payments never change');
CREATE TRIGGER delivery_tasks_pinned BEFORE UPDATE ON delivery_tasks FOR EACH ROW
    WHEN ((NEW.id, NEW.merchant_id, NEW.created_at) IS DISTINCT FROM (OLD.id, OLD.merchant_id, OLD.created_at))
    EXECUTE FUNCTION refuse_row('pinned: id, merchant_id, created_at of delivery_tasks never change');
CREATE TRIGGER delivery_tasks_version BEFORE UPDATE ON delivery_tasks FOR EACH ROW
    WHEN (NEW.version IS DISTINCT FROM OLD.version + 1 AND (NEW.*) IS DISTINCT FROM (OLD.*))
    EXECUTE FUNCTION refuse_row('version: a change of delivery_tasks adds one to it');
CREATE TRIGGER messages_pinned BEFORE UPDATE ON messages FOR EACH ROW
    WHEN ((NEW.id, NEW.merchant_id, NEW.phone, NEW.created_at) IS DISTINCT FROM (OLD.id, OLD.merchant_id, OLD.phone, OLD.created_at))
    EXECUTE FUNCTION refuse_row('pinned: id, merchant_id, phone, created_at of messages never change');
CREATE TRIGGER messages_version BEFORE UPDATE ON messages FOR EACH ROW
    WHEN (NEW.version IS DISTINCT FROM OLD.version + 1 AND (NEW.*) IS DISTINCT FROM (OLD.*))
    EXECUTE FUNCTION refuse_row('version: a change of messages adds one to it');
CREATE TRIGGER conversations_pinned BEFORE UPDATE ON conversations FOR EACH ROW
    WHEN ((NEW.merchant_id, NEW.phone) IS DISTINCT FROM (OLD.merchant_id, OLD.phone))
    EXECUTE FUNCTION refuse_row('pinned: merchant_id, phone of conversations never change');
CREATE TRIGGER webhooks_pinned BEFORE UPDATE ON webhooks FOR EACH ROW
    WHEN ((NEW.id, NEW.merchant_id, NEW.created_at) IS DISTINCT FROM (OLD.id, OLD.merchant_id, OLD.created_at))
    EXECUTE FUNCTION refuse_row('pinned: id, merchant_id, created_at of webhooks never change');
CREATE TRIGGER webhooks_version BEFORE UPDATE ON webhooks FOR EACH ROW
    WHEN (NEW.version IS DISTINCT FROM OLD.version + 1 AND (NEW.id, NEW.merchant_id, NEW.event_types, NEW.url, NEW.is_active, NEW.secret, NEW.disabled_reason, NEW.version, NEW.created_at, NEW.updated_at) IS DISTINCT FROM (OLD.id, OLD.merchant_id, OLD.event_types, OLD.url, OLD.is_active, OLD.secret, OLD.disabled_reason, OLD.version, OLD.created_at, OLD.updated_at))
    EXECUTE FUNCTION refuse_row('version: a change of webhooks adds one to it');
CREATE TRIGGER webhook_logs_pinned BEFORE UPDATE ON webhook_logs FOR EACH ROW
    WHEN ((NEW.id, NEW.merchant_id, NEW.created_at) IS DISTINCT FROM (OLD.id, OLD.merchant_id, OLD.created_at))
    EXECUTE FUNCTION refuse_row('pinned: id, merchant_id, created_at of webhook_logs never change');
CREATE TRIGGER webhook_logs_version BEFORE UPDATE ON webhook_logs FOR EACH ROW
    WHEN (NEW.version IS DISTINCT FROM OLD.version + 1 AND (NEW.*) IS DISTINCT FROM (OLD.*))
    EXECUTE FUNCTION refuse_row('version: a change of webhook_logs adds one to it');
CREATE TRIGGER jobs_pinned BEFORE UPDATE ON jobs FOR EACH ROW
    WHEN ((NEW.id, NEW.merchant_id, NEW.created_at) IS DISTINCT FROM (OLD.id, OLD.merchant_id, OLD.created_at))
    EXECUTE FUNCTION refuse_row('pinned: id, merchant_id, created_at of jobs never change');
CREATE TRIGGER jobs_version BEFORE UPDATE ON jobs FOR EACH ROW
    WHEN (NEW.version IS DISTINCT FROM OLD.version + 1 AND (NEW.*) IS DISTINCT FROM (OLD.*))
    EXECUTE FUNCTION refuse_row('version: a change of jobs adds one to it');
CREATE TRIGGER idempotency_keys_pinned BEFORE UPDATE ON idempotency_keys FOR EACH ROW
    WHEN ((NEW.merchant_id, NEW.method, NEW.key, NEW.request_hash, NEW.created_at) IS DISTINCT FROM (OLD.merchant_id, OLD.method, OLD.key, OLD.request_hash, OLD.created_at))
    EXECUTE FUNCTION refuse_row('pinned: merchant_id, method, key, request_hash, created_at of idempotency_keys never change');
