-- What merchants work with: templates, media, products, orders, deliveries, messages, webhooks, jobs.

-- Texts, buttons, lists and media that a merchant sends again and again. What WhatsApp takes counts
-- placeholders by the values that stand in them; the bounds here are those of what is kept.
CREATE TABLE message_templates (
    id TEXT NOT NULL CHECK (length(id) = 36), -- UUIDv7
    merchant_id TEXT NOT NULL, -- whose row
    name TEXT NOT NULL CHECK (length(name) BETWEEN 3 AND 50 AND name NOT GLOB '*[^a-z0-9_]*' AND instr(name, char(0)) = 0), -- what it is called, unique per merchant
    description TEXT NOT NULL DEFAULT '' CHECK (length(description) BETWEEN 0 AND 200 AND instr(description, char(0)) = 0), -- what it is for
    type TEXT NOT NULL CHECK (type IN ('text', 'buttons', 'list', 'media')), -- which of the four forms it has
    language TEXT NOT NULL DEFAULT 'en' CHECK (length(language) BETWEEN 2 AND 16 AND instr(language, char(0)) = 0), -- the language of its text
    header TEXT CHECK (length(header) BETWEEN 0 AND 512 AND instr(header, char(0)) = 0), -- the line above the body
    body TEXT CHECK (length(body) BETWEEN 0 AND 8192 AND instr(body, char(0)) = 0), -- the text itself, with its {{variables}}
    footer TEXT CHECK (length(footer) BETWEEN 0 AND 512 AND instr(footer, char(0)) = 0), -- the line below the body
    button_text TEXT CHECK (length(button_text) BETWEEN 1 AND 512 AND instr(button_text, char(0)) = 0), -- the opener of the list
    buttons TEXT CHECK (buttons IS NULL OR (json_valid(buttons) AND instr(buttons, char(0)) = 0 AND json_type(buttons) = 'array')), -- [{id, label, callback_data}]
    sections TEXT CHECK (sections IS NULL OR (json_valid(sections) AND instr(sections, char(0)) = 0 AND json_type(sections) = 'array')), -- [{title, rows: [{id, title, description}]}]
    media TEXT CHECK (media IS NULL OR (json_valid(media) AND instr(media, char(0)) = 0 AND json_type(media) = 'object')), -- {type, url or media_id, caption}
    variables TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(variables) AND instr(variables, char(0)) = 0 AND json_type(variables) = 'array'), -- the names in its text, derived from it
    example_payload TEXT CHECK (example_payload IS NULL OR (json_valid(example_payload) AND instr(example_payload, char(0)) = 0 AND json_type(example_payload) = 'object')), -- values to show it with
    version INTEGER NOT NULL DEFAULT 1 CHECK (version >= 1), -- from 1, one more with every change: the ETag
    status TEXT NOT NULL DEFAULT 'draft' CHECK (status IN ('draft', 'active', 'archived')), -- only an active one is sent
    created_by TEXT CHECK (length(created_by) BETWEEN 1 AND 64), -- the key that made it; NULL: the hub
    created_at TEXT NOT NULL CHECK (created_at GLOB '????-??-??T??:??:??.???Z' AND created_at IS strftime('%Y-%m-%dT%H:%M:%fZ', created_at, '+0 days')), -- when it was made
    updated_at TEXT NOT NULL CHECK (updated_at GLOB '????-??-??T??:??:??.???Z' AND updated_at IS strftime('%Y-%m-%dT%H:%M:%fZ', updated_at, '+0 days')), -- when it was last changed
    PRIMARY KEY (merchant_id, id),
    UNIQUE (merchant_id, name),
    FOREIGN KEY (merchant_id) REFERENCES merchants (id),
    CHECK (type = 'media' OR (body IS NOT NULL AND length(body) > 0)),
    CHECK (type <> 'buttons' OR (buttons IS NOT NULL AND json_array_length(buttons) BETWEEN 1 AND 10)),
    CHECK (type <> 'list' OR (sections IS NOT NULL AND json_array_length(sections) BETWEEN 1 AND 10)),
    CHECK (type <> 'media' OR media IS NOT NULL),
    CHECK (media IS NULL OR COALESCE(json_extract(media, '$.type') IN ('image', 'document'), FALSE)),
    CHECK (media IS NULL OR COALESCE(json_type(media, '$.url'), 'null') = 'text' OR COALESCE(json_type(media, '$.media_id'), 'null') = 'text'),
    CHECK (media IS NULL OR length(COALESCE(json_extract(media, '$.caption'), '')) <= 8192)
) STRICT;
CREATE INDEX message_templates_id ON message_templates (id);
CREATE INDEX message_templates_type ON message_templates (merchant_id, type, id);
CREATE INDEX message_templates_status ON message_templates (merchant_id, status, id);
CREATE INDEX message_templates_type_status ON message_templates (merchant_id, type, status, id);

-- What a template was in each of its versions; never changed.
CREATE TABLE template_versions (
    id TEXT NOT NULL CHECK (length(id) = 36), -- UUIDv7
    merchant_id TEXT NOT NULL, -- whose row
    template_id TEXT NOT NULL CHECK (length(template_id) = 36), -- the template
    version INTEGER NOT NULL CHECK (version >= 1), -- the version that this is
    name TEXT NOT NULL CHECK (length(name) BETWEEN 3 AND 50 AND name NOT GLOB '*[^a-z0-9_]*' AND instr(name, char(0)) = 0), -- what it is called, unique per merchant
    description TEXT NOT NULL DEFAULT '' CHECK (length(description) BETWEEN 0 AND 200 AND instr(description, char(0)) = 0), -- what it is for
    type TEXT NOT NULL CHECK (type IN ('text', 'buttons', 'list', 'media')), -- which of the four forms it has
    language TEXT NOT NULL DEFAULT 'en' CHECK (length(language) BETWEEN 2 AND 16 AND instr(language, char(0)) = 0), -- the language of its text
    header TEXT CHECK (length(header) BETWEEN 0 AND 512 AND instr(header, char(0)) = 0), -- the line above the body
    body TEXT CHECK (length(body) BETWEEN 0 AND 8192 AND instr(body, char(0)) = 0), -- the text itself, with its {{variables}}
    footer TEXT CHECK (length(footer) BETWEEN 0 AND 512 AND instr(footer, char(0)) = 0), -- the line below the body
    button_text TEXT CHECK (length(button_text) BETWEEN 1 AND 512 AND instr(button_text, char(0)) = 0), -- the opener of the list
    buttons TEXT CHECK (buttons IS NULL OR (json_valid(buttons) AND instr(buttons, char(0)) = 0 AND json_type(buttons) = 'array')), -- [{id, label, callback_data}]
    sections TEXT CHECK (sections IS NULL OR (json_valid(sections) AND instr(sections, char(0)) = 0 AND json_type(sections) = 'array')), -- [{title, rows: [{id, title, description}]}]
    media TEXT CHECK (media IS NULL OR (json_valid(media) AND instr(media, char(0)) = 0 AND json_type(media) = 'object')), -- {type, url or media_id, caption}
    variables TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(variables) AND instr(variables, char(0)) = 0 AND json_type(variables) = 'array'), -- the names in its text, derived from it
    example_payload TEXT CHECK (example_payload IS NULL OR (json_valid(example_payload) AND instr(example_payload, char(0)) = 0 AND json_type(example_payload) = 'object')), -- values to show it with
    status TEXT NOT NULL CHECK (status IN ('draft', 'active', 'archived')), -- the status in that version
    changed_by TEXT CHECK (length(changed_by) BETWEEN 1 AND 64), -- the key that made this version; NULL: the hub
    changed_at TEXT NOT NULL CHECK (changed_at GLOB '????-??-??T??:??:??.???Z' AND changed_at IS strftime('%Y-%m-%dT%H:%M:%fZ', changed_at, '+0 days')), -- when it was made
    PRIMARY KEY (merchant_id, id),
    UNIQUE (merchant_id, template_id, version),
    FOREIGN KEY (merchant_id, template_id) REFERENCES message_templates (merchant_id, id) ON DELETE CASCADE,
    CHECK (type = 'media' OR (body IS NOT NULL AND length(body) > 0)),
    CHECK (type <> 'buttons' OR (buttons IS NOT NULL AND json_array_length(buttons) BETWEEN 1 AND 10)),
    CHECK (type <> 'list' OR (sections IS NOT NULL AND json_array_length(sections) BETWEEN 1 AND 10)),
    CHECK (type <> 'media' OR media IS NOT NULL),
    CHECK (media IS NULL OR COALESCE(json_extract(media, '$.type') IN ('image', 'document'), FALSE)),
    CHECK (media IS NULL OR COALESCE(json_type(media, '$.url'), 'null') = 'text' OR COALESCE(json_type(media, '$.media_id'), 'null') = 'text'),
    CHECK (media IS NULL OR length(COALESCE(json_extract(media, '$.caption'), '')) <= 8192)
) STRICT;
CREATE INDEX template_versions_id ON template_versions (id);

-- Pictures that were uploaded; their bytes lie in files.
CREATE TABLE media_files (
    id TEXT NOT NULL CHECK (length(id) = 36), -- UUIDv7
    merchant_id TEXT NOT NULL, -- whose row
    owner_id TEXT CHECK (length(owner_id) BETWEEN 1 AND 64), -- the key that uploaded it; NULL: the hub
    hash TEXT NOT NULL CHECK (length(hash) = 64 AND hash NOT GLOB '*[^0-9a-f]*'), -- SHA-256 of the upload, hexadecimal
    original_name TEXT NOT NULL CHECK (length(original_name) BETWEEN 1 AND 255 AND instr(original_name, char(0)) = 0), -- its name where it came from
    file_name TEXT NOT NULL CHECK (length(file_name) BETWEEN 1 AND 255 AND instr(file_name, char(0)) = 0), -- its name in the store
    mime_type TEXT NOT NULL CHECK (mime_type IN ('image/jpeg', 'image/png', 'image/webp')), -- what it is
    size INTEGER NOT NULL CHECK (size BETWEEN 0 AND 5242880), -- bytes of the upload, 5 MB at most
    width INTEGER CHECK (width >= 1), -- pixels
    height INTEGER CHECK (height >= 1), -- pixels
    placeholder TEXT CHECK (length(placeholder) BETWEEN 1 AND 16384 AND instr(placeholder, char(0)) = 0), -- a tiny picture to show while it loads
    url TEXT CHECK (length(url) BETWEEN 1 AND 500 AND instr(url, char(0)) = 0), -- where it is served, unsigned
    thumbnail_url TEXT CHECK (length(thumbnail_url) BETWEEN 1 AND 500 AND instr(thumbnail_url, char(0)) = 0), -- where its thumbnail is served, unsigned
    storage_path TEXT CHECK (length(storage_path) BETWEEN 1 AND 500 AND instr(storage_path, char(0)) = 0), -- its file below the merchant's folder
    status TEXT NOT NULL DEFAULT 'uploading' CHECK (status IN ('uploading', 'processing', 'ready', 'failed')), -- how far it is
    metadata TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(metadata) AND instr(metadata, char(0)) = 0 AND json_type(metadata) = 'object'), -- what else is known of it
    version INTEGER NOT NULL DEFAULT 1 CHECK (version >= 1), -- from 1, one more with every change: the ETag
    created_at TEXT NOT NULL CHECK (created_at GLOB '????-??-??T??:??:??.???Z' AND created_at IS strftime('%Y-%m-%dT%H:%M:%fZ', created_at, '+0 days')), -- when it was made
    updated_at TEXT NOT NULL CHECK (updated_at GLOB '????-??-??T??:??:??.???Z' AND updated_at IS strftime('%Y-%m-%dT%H:%M:%fZ', updated_at, '+0 days')), -- when it was last changed
    expires_at TEXT CHECK (expires_at GLOB '????-??-??T??:??:??.???Z' AND expires_at IS strftime('%Y-%m-%dT%H:%M:%fZ', expires_at, '+0 days')), -- when it may be removed; NULL: never
    PRIMARY KEY (merchant_id, id),
    UNIQUE (merchant_id, hash),
    FOREIGN KEY (merchant_id) REFERENCES merchants (id)
) STRICT;
CREATE INDEX media_files_id ON media_files (id);
CREATE INDEX media_files_status ON media_files (merchant_id, status, id);
CREATE INDEX media_files_expired ON media_files (expires_at, id) WHERE expires_at IS NOT NULL;

-- What a merchant sells.
CREATE TABLE products (
    id TEXT NOT NULL CHECK (length(id) = 36), -- UUIDv7
    merchant_id TEXT NOT NULL, -- whose row
    name TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 200 AND instr(name, char(0)) = 0), -- what it is called
    description TEXT NOT NULL DEFAULT '' CHECK (length(description) BETWEEN 0 AND 4096 AND instr(description, char(0)) = 0), -- what it is
    category TEXT CHECK (length(category) BETWEEN 1 AND 120 AND instr(category, char(0)) = 0), -- the shelf it stands on
    price INTEGER NOT NULL CHECK (price >= 0), -- in minor units of the currency
    currency TEXT NOT NULL CHECK (length(currency) = 3 AND currency NOT GLOB '*[^A-Z]*'), -- ISO 4217: three capitals
    stock INTEGER NOT NULL DEFAULT 0 CHECK (stock >= 0), -- how many are left
    is_active INTEGER NOT NULL DEFAULT 1 CHECK (is_active IN (0, 1)), -- whether it is for sale
    version INTEGER NOT NULL DEFAULT 1 CHECK (version >= 1), -- from 1, one more with every change: the ETag
    created_at TEXT NOT NULL CHECK (created_at GLOB '????-??-??T??:??:??.???Z' AND created_at IS strftime('%Y-%m-%dT%H:%M:%fZ', created_at, '+0 days')), -- when it was made
    updated_at TEXT NOT NULL CHECK (updated_at GLOB '????-??-??T??:??:??.???Z' AND updated_at IS strftime('%Y-%m-%dT%H:%M:%fZ', updated_at, '+0 days')), -- when it was last changed
    PRIMARY KEY (merchant_id, id),
    FOREIGN KEY (merchant_id) REFERENCES merchants (id)
) STRICT;
CREATE INDEX products_id ON products (id);
CREATE INDEX products_category ON products (merchant_id, category, id);
CREATE INDEX products_active ON products (merchant_id, is_active, id);
CREATE INDEX products_category_active ON products (merchant_id, category, is_active, id);

-- The pictures of a product, in their order.
CREATE TABLE product_media (
    id TEXT NOT NULL CHECK (length(id) = 36), -- UUIDv7
    merchant_id TEXT NOT NULL, -- whose row
    product_id TEXT NOT NULL CHECK (length(product_id) = 36), -- the product
    media_id TEXT NOT NULL CHECK (length(media_id) = 36), -- the picture
    sequence INTEGER NOT NULL CHECK (sequence >= 0), -- its place, from 0
    is_primary INTEGER NOT NULL DEFAULT 0 CHECK (is_primary IN (0, 1)), -- the one shown first; one per product
    version INTEGER NOT NULL DEFAULT 1 CHECK (version >= 1), -- from 1, one more with every change: the ETag
    created_at TEXT NOT NULL CHECK (created_at GLOB '????-??-??T??:??:??.???Z' AND created_at IS strftime('%Y-%m-%dT%H:%M:%fZ', created_at, '+0 days')), -- when it was made
    updated_at TEXT NOT NULL CHECK (updated_at GLOB '????-??-??T??:??:??.???Z' AND updated_at IS strftime('%Y-%m-%dT%H:%M:%fZ', updated_at, '+0 days')), -- when it was last changed
    PRIMARY KEY (merchant_id, id),
    UNIQUE (merchant_id, product_id, media_id),
    UNIQUE (merchant_id, product_id, sequence),
    FOREIGN KEY (merchant_id, product_id) REFERENCES products (merchant_id, id) ON DELETE CASCADE,
    FOREIGN KEY (merchant_id, media_id) REFERENCES media_files (merchant_id, id)
) STRICT;
CREATE INDEX product_media_id ON product_media (id);
CREATE UNIQUE INDEX product_media_primary ON product_media (merchant_id, product_id) WHERE is_primary;
CREATE INDEX product_media_media ON product_media (merchant_id, media_id, id);

-- What customers ordered.
CREATE TABLE orders (
    id TEXT NOT NULL CHECK (length(id) = 36), -- UUIDv7
    merchant_id TEXT NOT NULL, -- whose row
    customer_phone TEXT NOT NULL CHECK (length(customer_phone) BETWEEN 1 AND 32 AND instr(customer_phone, char(0)) = 0), -- who ordered
    customer_id TEXT CHECK (length(customer_id) BETWEEN 1 AND 128 AND instr(customer_id, char(0)) = 0), -- the merchant's own id of the customer
    items TEXT NOT NULL CHECK (json_valid(items) AND instr(items, char(0)) = 0 AND json_type(items) = 'array'), -- [{product_id, name, quantity, price}]
    total INTEGER NOT NULL CHECK (total >= 0), -- in minor units of the currency
    currency TEXT NOT NULL CHECK (length(currency) = 3 AND currency NOT GLOB '*[^A-Z]*'), -- ISO 4217: three capitals
    status TEXT NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'confirmed', 'preparing', 'dispatched', 'delivered', 'cancelled')), -- how far it is
    payment_status TEXT NOT NULL DEFAULT 'unpaid' CHECK (payment_status IN ('unpaid', 'partial', 'paid', 'refunded')), -- how much of it is paid
    notes TEXT CHECK (length(notes) BETWEEN 0 AND 4096 AND instr(notes, char(0)) = 0), -- what else the customer said
    version INTEGER NOT NULL DEFAULT 1 CHECK (version >= 1), -- from 1, one more with every change: the ETag
    created_at TEXT NOT NULL CHECK (created_at GLOB '????-??-??T??:??:??.???Z' AND created_at IS strftime('%Y-%m-%dT%H:%M:%fZ', created_at, '+0 days')), -- when it was made
    updated_at TEXT NOT NULL CHECK (updated_at GLOB '????-??-??T??:??:??.???Z' AND updated_at IS strftime('%Y-%m-%dT%H:%M:%fZ', updated_at, '+0 days')), -- when it was last changed
    PRIMARY KEY (merchant_id, id),
    FOREIGN KEY (merchant_id) REFERENCES merchants (id)
) STRICT;
CREATE INDEX orders_id ON orders (id);
CREATE INDEX orders_status ON orders (merchant_id, status, id);
CREATE INDEX orders_customer ON orders (merchant_id, customer_phone, id);
CREATE INDEX orders_payment ON orders (merchant_id, payment_status, id);

-- What customers paid; never changed.
CREATE TABLE payments (
    id TEXT NOT NULL CHECK (length(id) = 36), -- UUIDv7
    merchant_id TEXT NOT NULL, -- whose row
    order_id TEXT NOT NULL CHECK (length(order_id) = 36), -- the order
    amount INTEGER NOT NULL CHECK (amount >= 1), -- in minor units of the currency
    currency TEXT NOT NULL CHECK (length(currency) = 3 AND currency NOT GLOB '*[^A-Z]*'), -- ISO 4217: three capitals, the order's
    method TEXT NOT NULL CHECK (length(method) BETWEEN 1 AND 64 AND instr(method, char(0)) = 0), -- how it was paid
    transaction_id TEXT NOT NULL CHECK (length(transaction_id) BETWEEN 1 AND 128 AND instr(transaction_id, char(0)) = 0), -- what the payer's side calls it, unique per merchant
    created_by TEXT CHECK (length(created_by) BETWEEN 1 AND 64), -- the key that took it; NULL: the hub
    created_at TEXT NOT NULL CHECK (created_at GLOB '????-??-??T??:??:??.???Z' AND created_at IS strftime('%Y-%m-%dT%H:%M:%fZ', created_at, '+0 days')), -- when it was taken
    PRIMARY KEY (merchant_id, id),
    UNIQUE (merchant_id, transaction_id),
    FOREIGN KEY (merchant_id) REFERENCES merchants (id),
    FOREIGN KEY (merchant_id, order_id) REFERENCES orders (merchant_id, id)
) STRICT;
CREATE INDEX payments_id ON payments (id);
CREATE INDEX payments_order ON payments (merchant_id, order_id, id);

-- Orders on their way to the customer.
CREATE TABLE delivery_tasks (
    id TEXT NOT NULL CHECK (length(id) = 36), -- UUIDv7
    merchant_id TEXT NOT NULL, -- whose row
    order_id TEXT NOT NULL CHECK (length(order_id) = 36), -- the order
    driver_id TEXT CHECK (length(driver_id) BETWEEN 1 AND 128 AND instr(driver_id, char(0)) = 0), -- who drives
    status TEXT NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'accepted', 'arrived', 'in_transit', 'delivered', 'failed', 'cancelled')), -- how far it is
    pickup_lat REAL CHECK (pickup_lat BETWEEN -90 AND 90), -- degrees
    pickup_lng REAL CHECK (pickup_lng BETWEEN -180 AND 180), -- degrees
    dropoff_lat REAL CHECK (dropoff_lat BETWEEN -90 AND 90), -- degrees
    dropoff_lng REAL CHECK (dropoff_lng BETWEEN -180 AND 180), -- degrees
    estimated_time_minutes INTEGER CHECK (estimated_time_minutes >= 0), -- how long it may take
    distance_km REAL CHECK (distance_km >= 0 AND distance_km < 9e999), -- how far it is
    fee INTEGER NOT NULL DEFAULT 0 CHECK (fee >= 0), -- in minor units of the order's currency
    notes TEXT CHECK (length(notes) BETWEEN 0 AND 4096 AND instr(notes, char(0)) = 0), -- what the driver should know
    version INTEGER NOT NULL DEFAULT 1 CHECK (version >= 1), -- from 1, one more with every change: the ETag
    created_at TEXT NOT NULL CHECK (created_at GLOB '????-??-??T??:??:??.???Z' AND created_at IS strftime('%Y-%m-%dT%H:%M:%fZ', created_at, '+0 days')), -- when it was made
    updated_at TEXT NOT NULL CHECK (updated_at GLOB '????-??-??T??:??:??.???Z' AND updated_at IS strftime('%Y-%m-%dT%H:%M:%fZ', updated_at, '+0 days')), -- when it was last changed
    completed_at TEXT CHECK (completed_at GLOB '????-??-??T??:??:??.???Z' AND completed_at IS strftime('%Y-%m-%dT%H:%M:%fZ', completed_at, '+0 days')), -- when it was delivered
    PRIMARY KEY (merchant_id, id),
    FOREIGN KEY (merchant_id) REFERENCES merchants (id),
    FOREIGN KEY (merchant_id, order_id) REFERENCES orders (merchant_id, id)
) STRICT;
CREATE INDEX delivery_tasks_id ON delivery_tasks (id);
CREATE INDEX delivery_tasks_order ON delivery_tasks (merchant_id, order_id, id);
CREATE INDEX delivery_tasks_status ON delivery_tasks (merchant_id, status, id);
CREATE INDEX delivery_tasks_driver ON delivery_tasks (merchant_id, driver_id, id);

-- Conversations: every message in and out.
CREATE TABLE messages (
    id TEXT NOT NULL CHECK (length(id) = 36), -- UUIDv7
    merchant_id TEXT NOT NULL, -- whose row
    direction TEXT NOT NULL CHECK (direction IN ('inbound', 'outbound')), -- from the customer, or to them
    phone TEXT NOT NULL CHECK (length(phone) BETWEEN 1 AND 32 AND instr(phone, char(0)) = 0), -- the customer's number
    chat TEXT CHECK (length(chat) BETWEEN 1 AND 128 AND instr(chat, char(0)) = 0), -- the gateway's name of the chat
    text TEXT CHECK (length(text) BETWEEN 0 AND 65536 AND instr(text, char(0)) = 0), -- what it says
    type TEXT NOT NULL DEFAULT 'text' CHECK (length(type) BETWEEN 1 AND 32 AND instr(type, char(0)) = 0), -- text, buttons, list, media, or what the gateway calls it
    template_id TEXT CHECK (length(template_id) = 36), -- the template that it was made from
    payload TEXT CHECK (payload IS NULL OR (json_valid(payload) AND instr(payload, char(0)) = 0)), -- the gateway's own form of it
    provider_id TEXT CHECK (length(provider_id) BETWEEN 1 AND 256 AND instr(provider_id, char(0)) = 0), -- the gateway's id of it
    status TEXT NOT NULL CHECK (status IN ('queued', 'sent', 'delivered', 'read', 'failed', 'received')), -- how far it is
    error TEXT CHECK (length(error) BETWEEN 0 AND 4096 AND instr(error, char(0)) = 0), -- why it failed
    event_id TEXT CHECK (length(event_id) BETWEEN 1 AND 128), -- the event that brought it
    version INTEGER NOT NULL DEFAULT 1 CHECK (version >= 1), -- from 1, one more with every change: the ETag
    created_at TEXT NOT NULL CHECK (created_at GLOB '????-??-??T??:??:??.???Z' AND created_at IS strftime('%Y-%m-%dT%H:%M:%fZ', created_at, '+0 days')), -- when it was made
    updated_at TEXT NOT NULL CHECK (updated_at GLOB '????-??-??T??:??:??.???Z' AND updated_at IS strftime('%Y-%m-%dT%H:%M:%fZ', updated_at, '+0 days')), -- when it was last changed
    PRIMARY KEY (merchant_id, id),
    UNIQUE (merchant_id, provider_id),
    FOREIGN KEY (merchant_id) REFERENCES merchants (id)
) STRICT;
CREATE INDEX messages_id ON messages (id);
CREATE INDEX messages_phone ON messages (merchant_id, phone, id);
CREATE INDEX messages_status ON messages (merchant_id, status, id);
CREATE INDEX messages_direction ON messages (merchant_id, direction, id);

-- Whom a merchant writes with: one row for each number in messages, kept by whoever adds a message.
CREATE TABLE conversations (
    merchant_id TEXT NOT NULL, -- whose row
    phone TEXT NOT NULL CHECK (length(phone) BETWEEN 1 AND 32 AND instr(phone, char(0)) = 0), -- the customer's number
    last_message_id TEXT NOT NULL CHECK (length(last_message_id) = 36), -- the message with the greatest id
    messages INTEGER NOT NULL CHECK (messages >= 1), -- how many there are
    PRIMARY KEY (merchant_id, phone),
    FOREIGN KEY (merchant_id) REFERENCES merchants (id)
) STRICT;
CREATE INDEX conversations_last ON conversations (merchant_id, last_message_id);

-- Where a merchant wants to hear of events.
CREATE TABLE webhooks (
    id TEXT NOT NULL CHECK (length(id) = 36), -- UUIDv7
    merchant_id TEXT NOT NULL, -- whose row
    event_types TEXT NOT NULL CHECK (json_valid(event_types) AND instr(event_types, char(0)) = 0 AND json_type(event_types) = 'array' AND json_array_length(event_types) BETWEEN 1 AND 32), -- patterns: which events
    url TEXT NOT NULL CHECK (length(url) BETWEEN 1 AND 500 AND instr(url, char(0)) = 0 AND (substr(url, 1, 8) = 'https://' OR substr(url, 1, 7) = 'http://')), -- where they are posted
    is_active INTEGER NOT NULL DEFAULT 1 CHECK (is_active IN (0, 1)), -- whether it is called
    secret TEXT NOT NULL CHECK (length(secret) BETWEEN 1 AND 256 AND instr(secret, char(0)) = 0), -- what its calls are signed with
    retry_count INTEGER NOT NULL DEFAULT 0 CHECK (retry_count >= 0), -- failed attempts since the last success
    last_triggered_at TEXT CHECK (last_triggered_at GLOB '????-??-??T??:??:??.???Z' AND last_triggered_at IS strftime('%Y-%m-%dT%H:%M:%fZ', last_triggered_at, '+0 days')), -- when it was last called
    disabled_reason TEXT CHECK (length(disabled_reason) BETWEEN 1 AND 500 AND instr(disabled_reason, char(0)) = 0), -- why the hub calls it no longer
    version INTEGER NOT NULL DEFAULT 1 CHECK (version >= 1), -- from 1, one more with every change: the ETag
    created_at TEXT NOT NULL CHECK (created_at GLOB '????-??-??T??:??:??.???Z' AND created_at IS strftime('%Y-%m-%dT%H:%M:%fZ', created_at, '+0 days')), -- when it was made
    updated_at TEXT NOT NULL CHECK (updated_at GLOB '????-??-??T??:??:??.???Z' AND updated_at IS strftime('%Y-%m-%dT%H:%M:%fZ', updated_at, '+0 days')), -- when it was last changed
    PRIMARY KEY (merchant_id, id),
    FOREIGN KEY (merchant_id) REFERENCES merchants (id)
) STRICT;
CREATE INDEX webhooks_id ON webhooks (id);
CREATE INDEX webhooks_active ON webhooks (merchant_id, is_active, id);

-- Every attempt to call a webhook.
CREATE TABLE webhook_logs (
    id TEXT NOT NULL CHECK (length(id) = 36), -- UUIDv7
    merchant_id TEXT NOT NULL, -- whose row
    webhook_id TEXT NOT NULL CHECK (length(webhook_id) = 36), -- the webhook
    delivery_id TEXT NOT NULL CHECK (length(delivery_id) BETWEEN 1 AND 64), -- one event to one webhook: the same in all attempts
    event_id TEXT NOT NULL CHECK (length(event_id) BETWEEN 1 AND 128), -- the event
    attempt INTEGER NOT NULL CHECK (attempt >= 1), -- from 1
    status TEXT NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'success', 'failed', 'dead')), -- how it went
    payload TEXT NOT NULL CHECK (json_valid(payload) AND instr(payload, char(0)) = 0), -- what was posted
    response_status INTEGER CHECK (response_status BETWEEN 100 AND 599), -- of HTTP
    response_body TEXT CHECK (length(CAST(response_body AS BLOB)) <= 2048 AND instr(response_body, char(0)) = 0), -- its first 2 KiB
    duration_ms INTEGER CHECK (duration_ms >= 0), -- how long it took
    error_message TEXT CHECK (length(error_message) BETWEEN 0 AND 4096 AND instr(error_message, char(0)) = 0), -- why there was no answer
    next_retry_at TEXT CHECK (next_retry_at GLOB '????-??-??T??:??:??.???Z' AND next_retry_at IS strftime('%Y-%m-%dT%H:%M:%fZ', next_retry_at, '+0 days')), -- when the next attempt is due
    version INTEGER NOT NULL DEFAULT 1 CHECK (version >= 1), -- from 1, one more with every change: the ETag
    created_at TEXT NOT NULL CHECK (created_at GLOB '????-??-??T??:??:??.???Z' AND created_at IS strftime('%Y-%m-%dT%H:%M:%fZ', created_at, '+0 days')), -- when it was made
    updated_at TEXT NOT NULL CHECK (updated_at GLOB '????-??-??T??:??:??.???Z' AND updated_at IS strftime('%Y-%m-%dT%H:%M:%fZ', updated_at, '+0 days')), -- when it was last changed
    PRIMARY KEY (merchant_id, id),
    UNIQUE (merchant_id, delivery_id, attempt),
    FOREIGN KEY (merchant_id, webhook_id) REFERENCES webhooks (merchant_id, id) ON DELETE CASCADE
) STRICT;
CREATE INDEX webhook_logs_id ON webhook_logs (id);
CREATE INDEX webhook_logs_webhook ON webhook_logs (merchant_id, webhook_id, id);
CREATE INDEX webhook_logs_delivery ON webhook_logs (merchant_id, delivery_id, id);
CREATE INDEX webhook_logs_status ON webhook_logs (merchant_id, status, id);
CREATE INDEX webhook_logs_due ON webhook_logs (next_retry_at, id) WHERE next_retry_at IS NOT NULL;

-- The work of all four queues; arq only carries it out.
CREATE TABLE jobs (
    id TEXT NOT NULL CHECK (length(id) BETWEEN 1 AND 64), -- a UUIDv7, or a name such as order-{id}; the id in arq too
    merchant_id TEXT NOT NULL, -- whose row
    queue TEXT NOT NULL CHECK (queue IN ('media_processing', 'message_sending', 'order_processing', 'webhook_delivery')), -- which of the four queues
    name TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 64 AND instr(name, char(0)) = 0), -- the task
    args TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(args) AND instr(args, char(0)) = 0 AND json_type(args) = 'object'), -- its arguments
    state TEXT NOT NULL DEFAULT 'queued' CHECK (state IN ('scheduled', 'queued', 'running', 'succeeded', 'retrying', 'dead', 'cancelled')), -- how far it is
    priority INTEGER NOT NULL DEFAULT 0, -- higher first
    attempt INTEGER NOT NULL DEFAULT 0 CHECK (attempt >= 0), -- attempts begun
    max_attempts INTEGER NOT NULL DEFAULT 3 CHECK (max_attempts >= 1), -- after so many it is dead
    run_at TEXT NOT NULL CHECK (run_at GLOB '????-??-??T??:??:??.???Z' AND run_at IS strftime('%Y-%m-%dT%H:%M:%fZ', run_at, '+0 days')), -- not before
    progress INTEGER NOT NULL DEFAULT 0 CHECK (progress BETWEEN 0 AND 100), -- percent
    note TEXT CHECK (length(note) BETWEEN 0 AND 500 AND instr(note, char(0)) = 0), -- what it is doing
    result TEXT CHECK (result IS NULL OR (json_valid(result) AND instr(result, char(0)) = 0)), -- what came of it
    error TEXT CHECK (length(error) BETWEEN 0 AND 4096 AND instr(error, char(0)) = 0), -- why the last attempt failed
    parent_id TEXT CHECK (length(parent_id) BETWEEN 1 AND 64), -- the job that it is a part of
    unique_key TEXT CHECK (length(unique_key) BETWEEN 1 AND 256 AND instr(unique_key, char(0)) = 0), -- no two open jobs of a queue share it
    timeout INTEGER CHECK (timeout >= 1), -- seconds that an attempt may take
    created_at TEXT NOT NULL CHECK (created_at GLOB '????-??-??T??:??:??.???Z' AND created_at IS strftime('%Y-%m-%dT%H:%M:%fZ', created_at, '+0 days')), -- when it was made
    started_at TEXT CHECK (started_at GLOB '????-??-??T??:??:??.???Z' AND started_at IS strftime('%Y-%m-%dT%H:%M:%fZ', started_at, '+0 days')), -- when the last attempt began
    finished_at TEXT CHECK (finished_at GLOB '????-??-??T??:??:??.???Z' AND finished_at IS strftime('%Y-%m-%dT%H:%M:%fZ', finished_at, '+0 days')), -- when it ended for good
    updated_at TEXT NOT NULL CHECK (updated_at GLOB '????-??-??T??:??:??.???Z' AND updated_at IS strftime('%Y-%m-%dT%H:%M:%fZ', updated_at, '+0 days')), -- when it was last changed
    version INTEGER NOT NULL DEFAULT 1 CHECK (version >= 1), -- from 1, one more with every change: the ETag
    PRIMARY KEY (merchant_id, id),
    FOREIGN KEY (merchant_id) REFERENCES merchants (id),
    FOREIGN KEY (merchant_id, parent_id) REFERENCES jobs (merchant_id, id) ON DELETE CASCADE
) STRICT;
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
    merchant_id TEXT NOT NULL, -- whose call; '*' for an admin's that is about no merchant
    method TEXT NOT NULL CHECK (length(method) BETWEEN 1 AND 64 AND instr(method, char(0)) = 0), -- the command
    key TEXT NOT NULL CHECK (length(key) BETWEEN 1 AND 255 AND instr(key, char(0)) = 0), -- the caller's key
    request_hash TEXT NOT NULL CHECK (length(request_hash) = 64 AND request_hash NOT GLOB '*[^0-9a-f]*'), -- SHA-256 of the request, hexadecimal
    response TEXT CHECK (response IS NULL OR (json_valid(response) AND instr(response, char(0)) = 0)), -- the first answer; NULL until there is one
    created_at TEXT NOT NULL CHECK (created_at GLOB '????-??-??T??:??:??.???Z' AND created_at IS strftime('%Y-%m-%dT%H:%M:%fZ', created_at, '+0 days')), -- when it was first called
    expires_at TEXT NOT NULL CHECK (expires_at GLOB '????-??-??T??:??:??.???Z' AND expires_at IS strftime('%Y-%m-%dT%H:%M:%fZ', expires_at, '+0 days')), -- when it is forgotten
    PRIMARY KEY (merchant_id, method, key),
    CHECK (length(merchant_id) BETWEEN 1 AND 64)
) STRICT;
CREATE INDEX idempotency_keys_expired ON idempotency_keys (expires_at);

-- SQLite takes a condition for the same only where it is written alike.
DROP INDEX api_keys_connected;
CREATE INDEX api_keys_connected ON api_keys (id) WHERE connected = TRUE;
CREATE INDEX api_keys_bootstrap ON api_keys (id) WHERE bootstrap = TRUE;
-- The timelines of orders; other events are not in it, and cost nothing.
CREATE INDEX events_order ON events (merchant_id, subject, log_offset) WHERE subject >= 'order/' AND subject < 'order0';

-- No row of a merchant is written unless that merchant, or every merchant, is bound.
CREATE TRIGGER message_templates_sealed_insert BEFORE INSERT ON message_templates
WHEN NOT EXISTS (SELECT 1 FROM scope WHERE merchant_id IN (NEW.merchant_id, '*'))
BEGIN
    SELECT RAISE(ABORT, 'sealed: message_templates of a merchant that is not bound');
END;
CREATE TRIGGER message_templates_sealed_update BEFORE UPDATE ON message_templates
WHEN NOT EXISTS (SELECT 1 FROM scope WHERE merchant_id IN (OLD.merchant_id, '*'))
BEGIN
    SELECT RAISE(ABORT, 'sealed: message_templates of a merchant that is not bound');
END;
CREATE TRIGGER message_templates_sealed_delete BEFORE DELETE ON message_templates
WHEN NOT EXISTS (SELECT 1 FROM scope WHERE merchant_id IN (OLD.merchant_id, '*'))
BEGIN
    SELECT RAISE(ABORT, 'sealed: message_templates of a merchant that is not bound');
END;
CREATE TRIGGER template_versions_sealed_insert BEFORE INSERT ON template_versions
WHEN NOT EXISTS (SELECT 1 FROM scope WHERE merchant_id IN (NEW.merchant_id, '*'))
BEGIN
    SELECT RAISE(ABORT, 'sealed: template_versions of a merchant that is not bound');
END;
CREATE TRIGGER template_versions_sealed_update BEFORE UPDATE ON template_versions
WHEN NOT EXISTS (SELECT 1 FROM scope WHERE merchant_id IN (OLD.merchant_id, '*'))
BEGIN
    SELECT RAISE(ABORT, 'sealed: template_versions of a merchant that is not bound');
END;
CREATE TRIGGER template_versions_sealed_delete BEFORE DELETE ON template_versions
WHEN NOT EXISTS (SELECT 1 FROM scope WHERE merchant_id IN (OLD.merchant_id, '*'))
BEGIN
    SELECT RAISE(ABORT, 'sealed: template_versions of a merchant that is not bound');
END;
CREATE TRIGGER media_files_sealed_insert BEFORE INSERT ON media_files
WHEN NOT EXISTS (SELECT 1 FROM scope WHERE merchant_id IN (NEW.merchant_id, '*'))
BEGIN
    SELECT RAISE(ABORT, 'sealed: media_files of a merchant that is not bound');
END;
CREATE TRIGGER media_files_sealed_update BEFORE UPDATE ON media_files
WHEN NOT EXISTS (SELECT 1 FROM scope WHERE merchant_id IN (OLD.merchant_id, '*'))
BEGIN
    SELECT RAISE(ABORT, 'sealed: media_files of a merchant that is not bound');
END;
CREATE TRIGGER media_files_sealed_delete BEFORE DELETE ON media_files
WHEN NOT EXISTS (SELECT 1 FROM scope WHERE merchant_id IN (OLD.merchant_id, '*'))
BEGIN
    SELECT RAISE(ABORT, 'sealed: media_files of a merchant that is not bound');
END;
CREATE TRIGGER products_sealed_insert BEFORE INSERT ON products
WHEN NOT EXISTS (SELECT 1 FROM scope WHERE merchant_id IN (NEW.merchant_id, '*'))
BEGIN
    SELECT RAISE(ABORT, 'sealed: products of a merchant that is not bound');
END;
CREATE TRIGGER products_sealed_update BEFORE UPDATE ON products
WHEN NOT EXISTS (SELECT 1 FROM scope WHERE merchant_id IN (OLD.merchant_id, '*'))
BEGIN
    SELECT RAISE(ABORT, 'sealed: products of a merchant that is not bound');
END;
CREATE TRIGGER products_sealed_delete BEFORE DELETE ON products
WHEN NOT EXISTS (SELECT 1 FROM scope WHERE merchant_id IN (OLD.merchant_id, '*'))
BEGIN
    SELECT RAISE(ABORT, 'sealed: products of a merchant that is not bound');
END;
CREATE TRIGGER product_media_sealed_insert BEFORE INSERT ON product_media
WHEN NOT EXISTS (SELECT 1 FROM scope WHERE merchant_id IN (NEW.merchant_id, '*'))
BEGIN
    SELECT RAISE(ABORT, 'sealed: product_media of a merchant that is not bound');
END;
CREATE TRIGGER product_media_sealed_update BEFORE UPDATE ON product_media
WHEN NOT EXISTS (SELECT 1 FROM scope WHERE merchant_id IN (OLD.merchant_id, '*'))
BEGIN
    SELECT RAISE(ABORT, 'sealed: product_media of a merchant that is not bound');
END;
CREATE TRIGGER product_media_sealed_delete BEFORE DELETE ON product_media
WHEN NOT EXISTS (SELECT 1 FROM scope WHERE merchant_id IN (OLD.merchant_id, '*'))
BEGIN
    SELECT RAISE(ABORT, 'sealed: product_media of a merchant that is not bound');
END;
CREATE TRIGGER orders_sealed_insert BEFORE INSERT ON orders
WHEN NOT EXISTS (SELECT 1 FROM scope WHERE merchant_id IN (NEW.merchant_id, '*'))
BEGIN
    SELECT RAISE(ABORT, 'sealed: orders of a merchant that is not bound');
END;
CREATE TRIGGER orders_sealed_update BEFORE UPDATE ON orders
WHEN NOT EXISTS (SELECT 1 FROM scope WHERE merchant_id IN (OLD.merchant_id, '*'))
BEGIN
    SELECT RAISE(ABORT, 'sealed: orders of a merchant that is not bound');
END;
CREATE TRIGGER orders_sealed_delete BEFORE DELETE ON orders
WHEN NOT EXISTS (SELECT 1 FROM scope WHERE merchant_id IN (OLD.merchant_id, '*'))
BEGIN
    SELECT RAISE(ABORT, 'sealed: orders of a merchant that is not bound');
END;
CREATE TRIGGER payments_sealed_insert BEFORE INSERT ON payments
WHEN NOT EXISTS (SELECT 1 FROM scope WHERE merchant_id IN (NEW.merchant_id, '*'))
BEGIN
    SELECT RAISE(ABORT, 'sealed: payments of a merchant that is not bound');
END;
CREATE TRIGGER payments_sealed_update BEFORE UPDATE ON payments
WHEN NOT EXISTS (SELECT 1 FROM scope WHERE merchant_id IN (OLD.merchant_id, '*'))
BEGIN
    SELECT RAISE(ABORT, 'sealed: payments of a merchant that is not bound');
END;
CREATE TRIGGER payments_sealed_delete BEFORE DELETE ON payments
WHEN NOT EXISTS (SELECT 1 FROM scope WHERE merchant_id IN (OLD.merchant_id, '*'))
BEGIN
    SELECT RAISE(ABORT, 'sealed: payments of a merchant that is not bound');
END;
CREATE TRIGGER delivery_tasks_sealed_insert BEFORE INSERT ON delivery_tasks
WHEN NOT EXISTS (SELECT 1 FROM scope WHERE merchant_id IN (NEW.merchant_id, '*'))
BEGIN
    SELECT RAISE(ABORT, 'sealed: delivery_tasks of a merchant that is not bound');
END;
CREATE TRIGGER delivery_tasks_sealed_update BEFORE UPDATE ON delivery_tasks
WHEN NOT EXISTS (SELECT 1 FROM scope WHERE merchant_id IN (OLD.merchant_id, '*'))
BEGIN
    SELECT RAISE(ABORT, 'sealed: delivery_tasks of a merchant that is not bound');
END;
CREATE TRIGGER delivery_tasks_sealed_delete BEFORE DELETE ON delivery_tasks
WHEN NOT EXISTS (SELECT 1 FROM scope WHERE merchant_id IN (OLD.merchant_id, '*'))
BEGIN
    SELECT RAISE(ABORT, 'sealed: delivery_tasks of a merchant that is not bound');
END;
CREATE TRIGGER messages_sealed_insert BEFORE INSERT ON messages
WHEN NOT EXISTS (SELECT 1 FROM scope WHERE merchant_id IN (NEW.merchant_id, '*'))
BEGIN
    SELECT RAISE(ABORT, 'sealed: messages of a merchant that is not bound');
END;
CREATE TRIGGER messages_sealed_update BEFORE UPDATE ON messages
WHEN NOT EXISTS (SELECT 1 FROM scope WHERE merchant_id IN (OLD.merchant_id, '*'))
BEGIN
    SELECT RAISE(ABORT, 'sealed: messages of a merchant that is not bound');
END;
CREATE TRIGGER messages_sealed_delete BEFORE DELETE ON messages
WHEN NOT EXISTS (SELECT 1 FROM scope WHERE merchant_id IN (OLD.merchant_id, '*'))
BEGIN
    SELECT RAISE(ABORT, 'sealed: messages of a merchant that is not bound');
END;
CREATE TRIGGER conversations_sealed_insert BEFORE INSERT ON conversations
WHEN NOT EXISTS (SELECT 1 FROM scope WHERE merchant_id IN (NEW.merchant_id, '*'))
BEGIN
    SELECT RAISE(ABORT, 'sealed: conversations of a merchant that is not bound');
END;
CREATE TRIGGER conversations_sealed_update BEFORE UPDATE ON conversations
WHEN NOT EXISTS (SELECT 1 FROM scope WHERE merchant_id IN (OLD.merchant_id, '*'))
BEGIN
    SELECT RAISE(ABORT, 'sealed: conversations of a merchant that is not bound');
END;
CREATE TRIGGER conversations_sealed_delete BEFORE DELETE ON conversations
WHEN NOT EXISTS (SELECT 1 FROM scope WHERE merchant_id IN (OLD.merchant_id, '*'))
BEGIN
    SELECT RAISE(ABORT, 'sealed: conversations of a merchant that is not bound');
END;
CREATE TRIGGER webhooks_sealed_insert BEFORE INSERT ON webhooks
WHEN NOT EXISTS (SELECT 1 FROM scope WHERE merchant_id IN (NEW.merchant_id, '*'))
BEGIN
    SELECT RAISE(ABORT, 'sealed: webhooks of a merchant that is not bound');
END;
CREATE TRIGGER webhooks_sealed_update BEFORE UPDATE ON webhooks
WHEN NOT EXISTS (SELECT 1 FROM scope WHERE merchant_id IN (OLD.merchant_id, '*'))
BEGIN
    SELECT RAISE(ABORT, 'sealed: webhooks of a merchant that is not bound');
END;
CREATE TRIGGER webhooks_sealed_delete BEFORE DELETE ON webhooks
WHEN NOT EXISTS (SELECT 1 FROM scope WHERE merchant_id IN (OLD.merchant_id, '*'))
BEGIN
    SELECT RAISE(ABORT, 'sealed: webhooks of a merchant that is not bound');
END;
CREATE TRIGGER webhook_logs_sealed_insert BEFORE INSERT ON webhook_logs
WHEN NOT EXISTS (SELECT 1 FROM scope WHERE merchant_id IN (NEW.merchant_id, '*'))
BEGIN
    SELECT RAISE(ABORT, 'sealed: webhook_logs of a merchant that is not bound');
END;
CREATE TRIGGER webhook_logs_sealed_update BEFORE UPDATE ON webhook_logs
WHEN NOT EXISTS (SELECT 1 FROM scope WHERE merchant_id IN (OLD.merchant_id, '*'))
BEGIN
    SELECT RAISE(ABORT, 'sealed: webhook_logs of a merchant that is not bound');
END;
CREATE TRIGGER webhook_logs_sealed_delete BEFORE DELETE ON webhook_logs
WHEN NOT EXISTS (SELECT 1 FROM scope WHERE merchant_id IN (OLD.merchant_id, '*'))
BEGIN
    SELECT RAISE(ABORT, 'sealed: webhook_logs of a merchant that is not bound');
END;
CREATE TRIGGER jobs_sealed_insert BEFORE INSERT ON jobs
WHEN NOT EXISTS (SELECT 1 FROM scope WHERE merchant_id IN (NEW.merchant_id, '*'))
BEGIN
    SELECT RAISE(ABORT, 'sealed: jobs of a merchant that is not bound');
END;
CREATE TRIGGER jobs_sealed_update BEFORE UPDATE ON jobs
WHEN NOT EXISTS (SELECT 1 FROM scope WHERE merchant_id IN (OLD.merchant_id, '*'))
BEGIN
    SELECT RAISE(ABORT, 'sealed: jobs of a merchant that is not bound');
END;
CREATE TRIGGER jobs_sealed_delete BEFORE DELETE ON jobs
WHEN NOT EXISTS (SELECT 1 FROM scope WHERE merchant_id IN (OLD.merchant_id, '*'))
BEGIN
    SELECT RAISE(ABORT, 'sealed: jobs of a merchant that is not bound');
END;
CREATE TRIGGER idempotency_keys_sealed_insert BEFORE INSERT ON idempotency_keys
WHEN NOT EXISTS (SELECT 1 FROM scope WHERE merchant_id IN (NEW.merchant_id, '*'))
BEGIN
    SELECT RAISE(ABORT, 'sealed: idempotency_keys of a merchant that is not bound');
END;
CREATE TRIGGER idempotency_keys_sealed_update BEFORE UPDATE ON idempotency_keys
WHEN NOT EXISTS (SELECT 1 FROM scope WHERE merchant_id IN (OLD.merchant_id, '*'))
BEGIN
    SELECT RAISE(ABORT, 'sealed: idempotency_keys of a merchant that is not bound');
END;
CREATE TRIGGER idempotency_keys_sealed_delete BEFORE DELETE ON idempotency_keys
WHEN NOT EXISTS (SELECT 1 FROM scope WHERE merchant_id IN (OLD.merchant_id, '*'))
BEGIN
    SELECT RAISE(ABORT, 'sealed: idempotency_keys of a merchant that is not bound');
END;

-- A change adds one to the version; whose row it is, its id and its beginning never change.
CREATE TRIGGER message_templates_pinned BEFORE UPDATE ON message_templates
WHEN NEW.id IS NOT OLD.id
        OR NEW.merchant_id IS NOT OLD.merchant_id
        OR NEW.created_at IS NOT OLD.created_at
BEGIN
    SELECT RAISE(ABORT, 'pinned: id, merchant_id, created_at of message_templates never change');
END;
CREATE TRIGGER message_templates_version BEFORE UPDATE ON message_templates
WHEN NEW.version IS NOT OLD.version + 1
    AND (NEW.id IS NOT OLD.id
        OR NEW.merchant_id IS NOT OLD.merchant_id
        OR NEW.name IS NOT OLD.name
        OR NEW.description IS NOT OLD.description
        OR NEW.type IS NOT OLD.type
        OR NEW.language IS NOT OLD.language
        OR NEW.header IS NOT OLD.header
        OR NEW.body IS NOT OLD.body
        OR NEW.footer IS NOT OLD.footer
        OR NEW.button_text IS NOT OLD.button_text
        OR NEW.buttons IS NOT OLD.buttons
        OR NEW.sections IS NOT OLD.sections
        OR NEW.media IS NOT OLD.media
        OR NEW.variables IS NOT OLD.variables
        OR NEW.example_payload IS NOT OLD.example_payload
        OR NEW.version IS NOT OLD.version
        OR NEW.status IS NOT OLD.status
        OR NEW.created_by IS NOT OLD.created_by
        OR NEW.created_at IS NOT OLD.created_at
        OR NEW.updated_at IS NOT OLD.updated_at)
BEGIN
    SELECT RAISE(ABORT, 'version: a change of message_templates adds one to it');
END;
CREATE TRIGGER template_versions_pinned BEFORE UPDATE ON template_versions
BEGIN
    SELECT RAISE(ABORT, 'pinned: template_versions never change');
END;
CREATE TRIGGER media_files_pinned BEFORE UPDATE ON media_files
WHEN NEW.id IS NOT OLD.id
        OR NEW.merchant_id IS NOT OLD.merchant_id
        OR NEW.created_at IS NOT OLD.created_at
BEGIN
    SELECT RAISE(ABORT, 'pinned: id, merchant_id, created_at of media_files never change');
END;
CREATE TRIGGER media_files_version BEFORE UPDATE ON media_files
WHEN NEW.version IS NOT OLD.version + 1
    AND (NEW.id IS NOT OLD.id
        OR NEW.merchant_id IS NOT OLD.merchant_id
        OR NEW.owner_id IS NOT OLD.owner_id
        OR NEW.hash IS NOT OLD.hash
        OR NEW.original_name IS NOT OLD.original_name
        OR NEW.file_name IS NOT OLD.file_name
        OR NEW.mime_type IS NOT OLD.mime_type
        OR NEW.size IS NOT OLD.size
        OR NEW.width IS NOT OLD.width
        OR NEW.height IS NOT OLD.height
        OR NEW.placeholder IS NOT OLD.placeholder
        OR NEW.url IS NOT OLD.url
        OR NEW.thumbnail_url IS NOT OLD.thumbnail_url
        OR NEW.storage_path IS NOT OLD.storage_path
        OR NEW.status IS NOT OLD.status
        OR NEW.metadata IS NOT OLD.metadata
        OR NEW.version IS NOT OLD.version
        OR NEW.created_at IS NOT OLD.created_at
        OR NEW.updated_at IS NOT OLD.updated_at
        OR NEW.expires_at IS NOT OLD.expires_at)
BEGIN
    SELECT RAISE(ABORT, 'version: a change of media_files adds one to it');
END;
CREATE TRIGGER products_pinned BEFORE UPDATE ON products
WHEN NEW.id IS NOT OLD.id
        OR NEW.merchant_id IS NOT OLD.merchant_id
        OR NEW.created_at IS NOT OLD.created_at
BEGIN
    SELECT RAISE(ABORT, 'pinned: id, merchant_id, created_at of products never change');
END;
CREATE TRIGGER products_version BEFORE UPDATE ON products
WHEN NEW.version IS NOT OLD.version + 1
    AND (NEW.id IS NOT OLD.id
        OR NEW.merchant_id IS NOT OLD.merchant_id
        OR NEW.name IS NOT OLD.name
        OR NEW.description IS NOT OLD.description
        OR NEW.category IS NOT OLD.category
        OR NEW.price IS NOT OLD.price
        OR NEW.currency IS NOT OLD.currency
        OR NEW.stock IS NOT OLD.stock
        OR NEW.is_active IS NOT OLD.is_active
        OR NEW.version IS NOT OLD.version
        OR NEW.created_at IS NOT OLD.created_at
        OR NEW.updated_at IS NOT OLD.updated_at)
BEGIN
    SELECT RAISE(ABORT, 'version: a change of products adds one to it');
END;
CREATE TRIGGER product_media_pinned BEFORE UPDATE ON product_media
WHEN NEW.id IS NOT OLD.id
        OR NEW.merchant_id IS NOT OLD.merchant_id
        OR NEW.created_at IS NOT OLD.created_at
BEGIN
    SELECT RAISE(ABORT, 'pinned: id, merchant_id, created_at of product_media never change');
END;
CREATE TRIGGER product_media_version BEFORE UPDATE ON product_media
WHEN NEW.version IS NOT OLD.version + 1
    AND (NEW.id IS NOT OLD.id
        OR NEW.merchant_id IS NOT OLD.merchant_id
        OR NEW.product_id IS NOT OLD.product_id
        OR NEW.media_id IS NOT OLD.media_id
        OR NEW.sequence IS NOT OLD.sequence
        OR NEW.is_primary IS NOT OLD.is_primary
        OR NEW.version IS NOT OLD.version
        OR NEW.created_at IS NOT OLD.created_at
        OR NEW.updated_at IS NOT OLD.updated_at)
BEGIN
    SELECT RAISE(ABORT, 'version: a change of product_media adds one to it');
END;
CREATE TRIGGER orders_pinned BEFORE UPDATE ON orders
WHEN NEW.id IS NOT OLD.id
        OR NEW.merchant_id IS NOT OLD.merchant_id
        OR NEW.created_at IS NOT OLD.created_at
BEGIN
    SELECT RAISE(ABORT, 'pinned: id, merchant_id, created_at of orders never change');
END;
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
        OR NEW.version IS NOT OLD.version
        OR NEW.created_at IS NOT OLD.created_at
        OR NEW.updated_at IS NOT OLD.updated_at)
BEGIN
    SELECT RAISE(ABORT, 'version: a change of orders adds one to it');
END;
CREATE TRIGGER payments_pinned BEFORE UPDATE ON payments
BEGIN
    SELECT RAISE(ABORT, 'pinned: payments never change');
END;
CREATE TRIGGER delivery_tasks_pinned BEFORE UPDATE ON delivery_tasks
WHEN NEW.id IS NOT OLD.id
        OR NEW.merchant_id IS NOT OLD.merchant_id
        OR NEW.created_at IS NOT OLD.created_at
BEGIN
    SELECT RAISE(ABORT, 'pinned: id, merchant_id, created_at of delivery_tasks never change');
END;
CREATE TRIGGER delivery_tasks_version BEFORE UPDATE ON delivery_tasks
WHEN NEW.version IS NOT OLD.version + 1
    AND (NEW.id IS NOT OLD.id
        OR NEW.merchant_id IS NOT OLD.merchant_id
        OR NEW.order_id IS NOT OLD.order_id
        OR NEW.driver_id IS NOT OLD.driver_id
        OR NEW.status IS NOT OLD.status
        OR NEW.pickup_lat IS NOT OLD.pickup_lat
        OR NEW.pickup_lng IS NOT OLD.pickup_lng
        OR NEW.dropoff_lat IS NOT OLD.dropoff_lat
        OR NEW.dropoff_lng IS NOT OLD.dropoff_lng
        OR NEW.estimated_time_minutes IS NOT OLD.estimated_time_minutes
        OR NEW.distance_km IS NOT OLD.distance_km
        OR NEW.fee IS NOT OLD.fee
        OR NEW.notes IS NOT OLD.notes
        OR NEW.version IS NOT OLD.version
        OR NEW.created_at IS NOT OLD.created_at
        OR NEW.updated_at IS NOT OLD.updated_at
        OR NEW.completed_at IS NOT OLD.completed_at)
BEGIN
    SELECT RAISE(ABORT, 'version: a change of delivery_tasks adds one to it');
END;
CREATE TRIGGER messages_pinned BEFORE UPDATE ON messages
WHEN NEW.id IS NOT OLD.id
        OR NEW.merchant_id IS NOT OLD.merchant_id
        OR NEW.phone IS NOT OLD.phone
        OR NEW.created_at IS NOT OLD.created_at
BEGIN
    SELECT RAISE(ABORT, 'pinned: id, merchant_id, phone, created_at of messages never change');
END;
CREATE TRIGGER messages_version BEFORE UPDATE ON messages
WHEN NEW.version IS NOT OLD.version + 1
    AND (NEW.id IS NOT OLD.id
        OR NEW.merchant_id IS NOT OLD.merchant_id
        OR NEW.direction IS NOT OLD.direction
        OR NEW.phone IS NOT OLD.phone
        OR NEW.chat IS NOT OLD.chat
        OR NEW.text IS NOT OLD.text
        OR NEW.type IS NOT OLD.type
        OR NEW.template_id IS NOT OLD.template_id
        OR NEW.payload IS NOT OLD.payload
        OR NEW.provider_id IS NOT OLD.provider_id
        OR NEW.status IS NOT OLD.status
        OR NEW.error IS NOT OLD.error
        OR NEW.event_id IS NOT OLD.event_id
        OR NEW.version IS NOT OLD.version
        OR NEW.created_at IS NOT OLD.created_at
        OR NEW.updated_at IS NOT OLD.updated_at)
BEGIN
    SELECT RAISE(ABORT, 'version: a change of messages adds one to it');
END;
CREATE TRIGGER conversations_pinned BEFORE UPDATE ON conversations
WHEN NEW.merchant_id IS NOT OLD.merchant_id
        OR NEW.phone IS NOT OLD.phone
BEGIN
    SELECT RAISE(ABORT, 'pinned: merchant_id, phone of conversations never change');
END;
CREATE TRIGGER webhooks_pinned BEFORE UPDATE ON webhooks
WHEN NEW.id IS NOT OLD.id
        OR NEW.merchant_id IS NOT OLD.merchant_id
        OR NEW.created_at IS NOT OLD.created_at
BEGIN
    SELECT RAISE(ABORT, 'pinned: id, merchant_id, created_at of webhooks never change');
END;
CREATE TRIGGER webhooks_version BEFORE UPDATE ON webhooks
WHEN NEW.version IS NOT OLD.version + 1
    AND (NEW.id IS NOT OLD.id
        OR NEW.merchant_id IS NOT OLD.merchant_id
        OR NEW.event_types IS NOT OLD.event_types
        OR NEW.url IS NOT OLD.url
        OR NEW.is_active IS NOT OLD.is_active
        OR NEW.secret IS NOT OLD.secret
        OR NEW.disabled_reason IS NOT OLD.disabled_reason
        OR NEW.version IS NOT OLD.version
        OR NEW.created_at IS NOT OLD.created_at
        OR NEW.updated_at IS NOT OLD.updated_at)
BEGIN
    SELECT RAISE(ABORT, 'version: a change of webhooks adds one to it');
END;
CREATE TRIGGER webhook_logs_pinned BEFORE UPDATE ON webhook_logs
WHEN NEW.id IS NOT OLD.id
        OR NEW.merchant_id IS NOT OLD.merchant_id
        OR NEW.created_at IS NOT OLD.created_at
BEGIN
    SELECT RAISE(ABORT, 'pinned: id, merchant_id, created_at of webhook_logs never change');
END;
CREATE TRIGGER webhook_logs_version BEFORE UPDATE ON webhook_logs
WHEN NEW.version IS NOT OLD.version + 1
    AND (NEW.id IS NOT OLD.id
        OR NEW.merchant_id IS NOT OLD.merchant_id
        OR NEW.webhook_id IS NOT OLD.webhook_id
        OR NEW.delivery_id IS NOT OLD.delivery_id
        OR NEW.event_id IS NOT OLD.event_id
        OR NEW.attempt IS NOT OLD.attempt
        OR NEW.status IS NOT OLD.status
        OR NEW.payload IS NOT OLD.payload
        OR NEW.response_status IS NOT OLD.response_status
        OR NEW.response_body IS NOT OLD.response_body
        OR NEW.duration_ms IS NOT OLD.duration_ms
        OR NEW.error_message IS NOT OLD.error_message
        OR NEW.next_retry_at IS NOT OLD.next_retry_at
        OR NEW.version IS NOT OLD.version
        OR NEW.created_at IS NOT OLD.created_at
        OR NEW.updated_at IS NOT OLD.updated_at)
BEGIN
    SELECT RAISE(ABORT, 'version: a change of webhook_logs adds one to it');
END;
CREATE TRIGGER jobs_pinned BEFORE UPDATE ON jobs
WHEN NEW.id IS NOT OLD.id
        OR NEW.merchant_id IS NOT OLD.merchant_id
        OR NEW.created_at IS NOT OLD.created_at
BEGIN
    SELECT RAISE(ABORT, 'pinned: id, merchant_id, created_at of jobs never change');
END;
CREATE TRIGGER jobs_version BEFORE UPDATE ON jobs
WHEN NEW.version IS NOT OLD.version + 1
    AND (NEW.id IS NOT OLD.id
        OR NEW.merchant_id IS NOT OLD.merchant_id
        OR NEW.queue IS NOT OLD.queue
        OR NEW.name IS NOT OLD.name
        OR NEW.args IS NOT OLD.args
        OR NEW.state IS NOT OLD.state
        OR NEW.priority IS NOT OLD.priority
        OR NEW.attempt IS NOT OLD.attempt
        OR NEW.max_attempts IS NOT OLD.max_attempts
        OR NEW.run_at IS NOT OLD.run_at
        OR NEW.progress IS NOT OLD.progress
        OR NEW.note IS NOT OLD.note
        OR NEW.result IS NOT OLD.result
        OR NEW.error IS NOT OLD.error
        OR NEW.parent_id IS NOT OLD.parent_id
        OR NEW.unique_key IS NOT OLD.unique_key
        OR NEW.timeout IS NOT OLD.timeout
        OR NEW.created_at IS NOT OLD.created_at
        OR NEW.started_at IS NOT OLD.started_at
        OR NEW.finished_at IS NOT OLD.finished_at
        OR NEW.updated_at IS NOT OLD.updated_at
        OR NEW.version IS NOT OLD.version)
BEGIN
    SELECT RAISE(ABORT, 'version: a change of jobs adds one to it');
END;
CREATE TRIGGER idempotency_keys_pinned BEFORE UPDATE ON idempotency_keys
WHEN NEW.merchant_id IS NOT OLD.merchant_id
        OR NEW.method IS NOT OLD.method
        OR NEW.key IS NOT OLD.key
        OR NEW.request_hash IS NOT OLD.request_hash
        OR NEW.created_at IS NOT OLD.created_at
BEGIN
    SELECT RAISE(ABORT, 'pinned: merchant_id, method, key, request_hash, created_at of idempotency_keys never change');
END;
