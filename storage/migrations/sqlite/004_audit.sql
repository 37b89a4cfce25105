-- The audit, written by the database itself.

-- Who changed what, written by the triggers below and by nothing else; no secret is in it.
CREATE TABLE audit_logs (
    id TEXT NOT NULL CHECK (length(id) = 36), -- UUIDv7, in the order of writing
    merchant_id TEXT NOT NULL, -- whose row was changed; '*': an admin's key
    actor_id TEXT, -- the key that did it; NULL: the hub itself
    actor_role TEXT NOT NULL CHECK (actor_role IN ('admin', 'merchant', 'viewer', 'bot', 'hub')), -- the key's role, or hub
    action TEXT NOT NULL CHECK (action IN ('CREATE', 'UPDATE', 'DELETE')), -- what was done
    target_type TEXT NOT NULL, -- the kind of row, in the singular
    target_id TEXT NOT NULL, -- the id of the row
    before_state TEXT, -- the row before; NULL: there was none
    after_state TEXT, -- the row afterwards; NULL: there is none
    ip_address TEXT, -- where the actor called from
    user_agent TEXT, -- what the actor called with
    created_at TEXT NOT NULL, -- when it was done
    PRIMARY KEY (id)
) STRICT;
CREATE INDEX audit_logs_merchant ON audit_logs (merchant_id, id);
CREATE INDEX audit_logs_target_type ON audit_logs (merchant_id, target_type, id);
CREATE INDEX audit_logs_target ON audit_logs (merchant_id, target_id, id);
CREATE INDEX audit_logs_actor ON audit_logs (merchant_id, actor_id, id);
CREATE INDEX audit_logs_action ON audit_logs (merchant_id, action, id);

-- Who acts, when, and the id of the next row: a UUIDv7 whose 12 bits behind the version count the
-- rows of one millisecond. Time does not go back behind the last row, so ids ascend for ever.
CREATE VIEW audit_stamp AS
SELECT
    printf(
        '%08x-%04x-7%03x-%04x-%012x',
        ms >> 16, ms & 65535, counter, 32768 | (random() & 16383), random() & 281474976710655
    ) AS id,
    strftime('%Y-%m-%dT%H:%M:%fZ', 2440587.5 + ms / 86400000.0) AS created_at,
    actor_id,
    COALESCE(actor_role, 'hub') AS actor_role,
    ip_address,
    user_agent
FROM (
    SELECT
        CASE WHEN now_ms > last_ms THEN now_ms ELSE last_ms + (last_counter = 4095) END AS ms,
        CASE WHEN now_ms > last_ms THEN 0 ELSE (last_counter + 1) & 4095 END AS counter,
        actor_id, actor_role, ip_address, user_agent
    FROM (
        SELECT
            CAST(round((julianday('now') - 2440587.5) * 86400000) AS INTEGER) AS now_ms,
            COALESCE(CAST(round((julianday(last.created_at) - 2440587.5) * 86400000) AS INTEGER), 0)
                AS last_ms,
            COALESCE(
                (instr('0123456789abcdef', substr(last.id, 16, 1)) - 1) * 256
                + (instr('0123456789abcdef', substr(last.id, 17, 1)) - 1) * 16
                + (instr('0123456789abcdef', substr(last.id, 18, 1)) - 1),
                0
            ) AS last_counter,
            scope.actor_id, scope.actor_role, scope.ip_address, scope.user_agent
        FROM scope
        LEFT JOIN (SELECT id, created_at FROM audit_logs ORDER BY rowid DESC LIMIT 1) AS last
    )
);

CREATE TRIGGER audit_logs_sealed_insert BEFORE INSERT ON audit_logs
WHEN NOT EXISTS (SELECT 1 FROM scope WHERE merchant_id IN (NEW.merchant_id, '*'))
BEGIN
    SELECT RAISE(ABORT, 'sealed: audit_logs of a merchant that is not bound');
END;
CREATE TRIGGER audit_logs_sealed_update BEFORE UPDATE ON audit_logs
BEGIN
    SELECT RAISE(ABORT, 'sealed: the audit never changes');
END;
CREATE TRIGGER audit_logs_sealed_delete BEFORE DELETE ON audit_logs
BEGIN
    SELECT RAISE(ABORT, 'sealed: the audit is never removed');
END;

-- A row's whole state before and after, without secrets; a change of nothing that counts is none.
-- What is removed is told before it is, so that its parts are told behind it, as on Postgres.
CREATE TRIGGER merchants_audit_insert AFTER INSERT ON merchants
BEGIN
    INSERT INTO audit_logs
    SELECT id, NEW.id, actor_id, actor_role, 'CREATE', 'merchant', NEW.id,
        NULL,
        json_object(
            'id', NEW.id,
            'name', NEW.name,
            'version', NEW.version,
            'created_at', NEW.created_at,
            'updated_at', NEW.updated_at,
            'seeded_at', NEW.seeded_at
        ),
        ip_address, user_agent, created_at
    FROM audit_stamp;
END;
CREATE TRIGGER merchants_audit_update AFTER UPDATE ON merchants
WHEN NEW.id IS NOT OLD.id
        OR NEW.name IS NOT OLD.name
        OR NEW.version IS NOT OLD.version
        OR NEW.created_at IS NOT OLD.created_at
        OR NEW.updated_at IS NOT OLD.updated_at
BEGIN
    INSERT INTO audit_logs
    SELECT id, NEW.id, actor_id, actor_role, 'UPDATE', 'merchant', NEW.id,
        json_object(
            'id', OLD.id,
            'name', OLD.name,
            'version', OLD.version,
            'created_at', OLD.created_at,
            'updated_at', OLD.updated_at,
            'seeded_at', OLD.seeded_at
        ),
        json_object(
            'id', NEW.id,
            'name', NEW.name,
            'version', NEW.version,
            'created_at', NEW.created_at,
            'updated_at', NEW.updated_at,
            'seeded_at', NEW.seeded_at
        ),
        ip_address, user_agent, created_at
    FROM audit_stamp;
END;
CREATE TRIGGER merchants_audit_delete BEFORE DELETE ON merchants
BEGIN
    INSERT INTO audit_logs
    SELECT id, OLD.id, actor_id, actor_role, 'DELETE', 'merchant', OLD.id,
        json_object(
            'id', OLD.id,
            'name', OLD.name,
            'version', OLD.version,
            'created_at', OLD.created_at,
            'updated_at', OLD.updated_at,
            'seeded_at', OLD.seeded_at
        ),
        NULL,
        ip_address, user_agent, created_at
    FROM audit_stamp;
END;
CREATE TRIGGER api_keys_audit_insert AFTER INSERT ON api_keys
BEGIN
    INSERT INTO audit_logs
    SELECT id, COALESCE(NEW.merchant_id, '*'), actor_id, actor_role, 'CREATE', 'key', NEW.id,
        NULL,
        json_object(
            'id', NEW.id,
            'merchant_id', NEW.merchant_id,
            'role', NEW.role,
            'name', NEW.name,
            'prefix', NEW.prefix,
            'connected', json(CASE NEW.connected WHEN 1 THEN 'true' ELSE 'false' END),
            'bootstrap', json(CASE NEW.bootstrap WHEN 1 THEN 'true' ELSE 'false' END),
            'version', NEW.version,
            'created_at', NEW.created_at,
            'expires_at', NEW.expires_at,
            'revoked_at', NEW.revoked_at
        ),
        ip_address, user_agent, created_at
    FROM audit_stamp;
END;
CREATE TRIGGER api_keys_audit_update AFTER UPDATE ON api_keys
WHEN NEW.id IS NOT OLD.id
        OR NEW.merchant_id IS NOT OLD.merchant_id
        OR NEW.role IS NOT OLD.role
        OR NEW.name IS NOT OLD.name
        OR NEW.prefix IS NOT OLD.prefix
        OR NEW.bootstrap IS NOT OLD.bootstrap
        OR NEW.version IS NOT OLD.version
        OR NEW.created_at IS NOT OLD.created_at
        OR NEW.expires_at IS NOT OLD.expires_at
        OR NEW.revoked_at IS NOT OLD.revoked_at
        OR NEW.token_hash IS NOT OLD.token_hash
BEGIN
    INSERT INTO audit_logs
    SELECT id, COALESCE(NEW.merchant_id, '*'), actor_id, actor_role, 'UPDATE', 'key', NEW.id,
        json_object(
            'id', OLD.id,
            'merchant_id', OLD.merchant_id,
            'role', OLD.role,
            'name', OLD.name,
            'prefix', OLD.prefix,
            'connected', json(CASE OLD.connected WHEN 1 THEN 'true' ELSE 'false' END),
            'bootstrap', json(CASE OLD.bootstrap WHEN 1 THEN 'true' ELSE 'false' END),
            'version', OLD.version,
            'created_at', OLD.created_at,
            'expires_at', OLD.expires_at,
            'revoked_at', OLD.revoked_at
        ),
        json_object(
            'id', NEW.id,
            'merchant_id', NEW.merchant_id,
            'role', NEW.role,
            'name', NEW.name,
            'prefix', NEW.prefix,
            'connected', json(CASE NEW.connected WHEN 1 THEN 'true' ELSE 'false' END),
            'bootstrap', json(CASE NEW.bootstrap WHEN 1 THEN 'true' ELSE 'false' END),
            'version', NEW.version,
            'created_at', NEW.created_at,
            'expires_at', NEW.expires_at,
            'revoked_at', NEW.revoked_at
        ),
        ip_address, user_agent, created_at
    FROM audit_stamp;
END;
CREATE TRIGGER api_keys_audit_delete BEFORE DELETE ON api_keys
BEGIN
    INSERT INTO audit_logs
    SELECT id, COALESCE(OLD.merchant_id, '*'), actor_id, actor_role, 'DELETE', 'key', OLD.id,
        json_object(
            'id', OLD.id,
            'merchant_id', OLD.merchant_id,
            'role', OLD.role,
            'name', OLD.name,
            'prefix', OLD.prefix,
            'connected', json(CASE OLD.connected WHEN 1 THEN 'true' ELSE 'false' END),
            'bootstrap', json(CASE OLD.bootstrap WHEN 1 THEN 'true' ELSE 'false' END),
            'version', OLD.version,
            'created_at', OLD.created_at,
            'expires_at', OLD.expires_at,
            'revoked_at', OLD.revoked_at
        ),
        NULL,
        ip_address, user_agent, created_at
    FROM audit_stamp;
END;
CREATE TRIGGER message_templates_audit_insert AFTER INSERT ON message_templates
BEGIN
    INSERT INTO audit_logs
    SELECT id, NEW.merchant_id, actor_id, actor_role, 'CREATE', 'template', NEW.id,
        NULL,
        json_object(
            'id', NEW.id,
            'merchant_id', NEW.merchant_id,
            'name', NEW.name,
            'description', NEW.description,
            'type', NEW.type,
            'language', NEW.language,
            'header', NEW.header,
            'body', NEW.body,
            'footer', NEW.footer,
            'button_text', NEW.button_text,
            'buttons', json(NEW.buttons),
            'sections', json(NEW.sections),
            'media', json(NEW.media),
            'variables', json(NEW.variables),
            'example_payload', json(NEW.example_payload),
            'version', NEW.version,
            'status', NEW.status,
            'created_by', NEW.created_by,
            'created_at', NEW.created_at,
            'updated_at', NEW.updated_at
        ),
        ip_address, user_agent, created_at
    FROM audit_stamp;
END;
CREATE TRIGGER message_templates_audit_update AFTER UPDATE ON message_templates
WHEN NEW.id IS NOT OLD.id
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
        OR NEW.updated_at IS NOT OLD.updated_at
BEGIN
    INSERT INTO audit_logs
    SELECT id, NEW.merchant_id, actor_id, actor_role, 'UPDATE', 'template', NEW.id,
        json_object(
            'id', OLD.id,
            'merchant_id', OLD.merchant_id,
            'name', OLD.name,
            'description', OLD.description,
            'type', OLD.type,
            'language', OLD.language,
            'header', OLD.header,
            'body', OLD.body,
            'footer', OLD.footer,
            'button_text', OLD.button_text,
            'buttons', json(OLD.buttons),
            'sections', json(OLD.sections),
            'media', json(OLD.media),
            'variables', json(OLD.variables),
            'example_payload', json(OLD.example_payload),
            'version', OLD.version,
            'status', OLD.status,
            'created_by', OLD.created_by,
            'created_at', OLD.created_at,
            'updated_at', OLD.updated_at
        ),
        json_object(
            'id', NEW.id,
            'merchant_id', NEW.merchant_id,
            'name', NEW.name,
            'description', NEW.description,
            'type', NEW.type,
            'language', NEW.language,
            'header', NEW.header,
            'body', NEW.body,
            'footer', NEW.footer,
            'button_text', NEW.button_text,
            'buttons', json(NEW.buttons),
            'sections', json(NEW.sections),
            'media', json(NEW.media),
            'variables', json(NEW.variables),
            'example_payload', json(NEW.example_payload),
            'version', NEW.version,
            'status', NEW.status,
            'created_by', NEW.created_by,
            'created_at', NEW.created_at,
            'updated_at', NEW.updated_at
        ),
        ip_address, user_agent, created_at
    FROM audit_stamp;
END;
CREATE TRIGGER message_templates_audit_delete BEFORE DELETE ON message_templates
BEGIN
    INSERT INTO audit_logs
    SELECT id, OLD.merchant_id, actor_id, actor_role, 'DELETE', 'template', OLD.id,
        json_object(
            'id', OLD.id,
            'merchant_id', OLD.merchant_id,
            'name', OLD.name,
            'description', OLD.description,
            'type', OLD.type,
            'language', OLD.language,
            'header', OLD.header,
            'body', OLD.body,
            'footer', OLD.footer,
            'button_text', OLD.button_text,
            'buttons', json(OLD.buttons),
            'sections', json(OLD.sections),
            'media', json(OLD.media),
            'variables', json(OLD.variables),
            'example_payload', json(OLD.example_payload),
            'version', OLD.version,
            'status', OLD.status,
            'created_by', OLD.created_by,
            'created_at', OLD.created_at,
            'updated_at', OLD.updated_at
        ),
        NULL,
        ip_address, user_agent, created_at
    FROM audit_stamp;
END;
CREATE TRIGGER template_versions_audit_insert AFTER INSERT ON template_versions
BEGIN
    INSERT INTO audit_logs
    SELECT id, NEW.merchant_id, actor_id, actor_role, 'CREATE', 'template_version', NEW.id,
        NULL,
        json_object(
            'id', NEW.id,
            'merchant_id', NEW.merchant_id,
            'template_id', NEW.template_id,
            'version', NEW.version,
            'name', NEW.name,
            'description', NEW.description,
            'type', NEW.type,
            'language', NEW.language,
            'header', NEW.header,
            'body', NEW.body,
            'footer', NEW.footer,
            'button_text', NEW.button_text,
            'buttons', json(NEW.buttons),
            'sections', json(NEW.sections),
            'media', json(NEW.media),
            'variables', json(NEW.variables),
            'example_payload', json(NEW.example_payload),
            'status', NEW.status,
            'changed_by', NEW.changed_by,
            'changed_at', NEW.changed_at
        ),
        ip_address, user_agent, created_at
    FROM audit_stamp;
END;
CREATE TRIGGER template_versions_audit_update AFTER UPDATE ON template_versions
WHEN NEW.id IS NOT OLD.id
        OR NEW.merchant_id IS NOT OLD.merchant_id
        OR NEW.template_id IS NOT OLD.template_id
        OR NEW.version IS NOT OLD.version
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
        OR NEW.status IS NOT OLD.status
        OR NEW.changed_by IS NOT OLD.changed_by
        OR NEW.changed_at IS NOT OLD.changed_at
BEGIN
    INSERT INTO audit_logs
    SELECT id, NEW.merchant_id, actor_id, actor_role, 'UPDATE', 'template_version', NEW.id,
        json_object(
            'id', OLD.id,
            'merchant_id', OLD.merchant_id,
            'template_id', OLD.template_id,
            'version', OLD.version,
            'name', OLD.name,
            'description', OLD.description,
            'type', OLD.type,
            'language', OLD.language,
            'header', OLD.header,
            'body', OLD.body,
            'footer', OLD.footer,
            'button_text', OLD.button_text,
            'buttons', json(OLD.buttons),
            'sections', json(OLD.sections),
            'media', json(OLD.media),
            'variables', json(OLD.variables),
            'example_payload', json(OLD.example_payload),
            'status', OLD.status,
            'changed_by', OLD.changed_by,
            'changed_at', OLD.changed_at
        ),
        json_object(
            'id', NEW.id,
            'merchant_id', NEW.merchant_id,
            'template_id', NEW.template_id,
            'version', NEW.version,
            'name', NEW.name,
            'description', NEW.description,
            'type', NEW.type,
            'language', NEW.language,
            'header', NEW.header,
            'body', NEW.body,
            'footer', NEW.footer,
            'button_text', NEW.button_text,
            'buttons', json(NEW.buttons),
            'sections', json(NEW.sections),
            'media', json(NEW.media),
            'variables', json(NEW.variables),
            'example_payload', json(NEW.example_payload),
            'status', NEW.status,
            'changed_by', NEW.changed_by,
            'changed_at', NEW.changed_at
        ),
        ip_address, user_agent, created_at
    FROM audit_stamp;
END;
CREATE TRIGGER template_versions_audit_delete BEFORE DELETE ON template_versions
BEGIN
    INSERT INTO audit_logs
    SELECT id, OLD.merchant_id, actor_id, actor_role, 'DELETE', 'template_version', OLD.id,
        json_object(
            'id', OLD.id,
            'merchant_id', OLD.merchant_id,
            'template_id', OLD.template_id,
            'version', OLD.version,
            'name', OLD.name,
            'description', OLD.description,
            'type', OLD.type,
            'language', OLD.language,
            'header', OLD.header,
            'body', OLD.body,
            'footer', OLD.footer,
            'button_text', OLD.button_text,
            'buttons', json(OLD.buttons),
            'sections', json(OLD.sections),
            'media', json(OLD.media),
            'variables', json(OLD.variables),
            'example_payload', json(OLD.example_payload),
            'status', OLD.status,
            'changed_by', OLD.changed_by,
            'changed_at', OLD.changed_at
        ),
        NULL,
        ip_address, user_agent, created_at
    FROM audit_stamp;
END;
CREATE TRIGGER media_files_audit_insert AFTER INSERT ON media_files
BEGIN
    INSERT INTO audit_logs
    SELECT id, NEW.merchant_id, actor_id, actor_role, 'CREATE', 'media', NEW.id,
        NULL,
        json_object(
            'id', NEW.id,
            'merchant_id', NEW.merchant_id,
            'owner_id', NEW.owner_id,
            'hash', NEW.hash,
            'original_name', NEW.original_name,
            'file_name', NEW.file_name,
            'mime_type', NEW.mime_type,
            'size', NEW.size,
            'width', NEW.width,
            'height', NEW.height,
            'placeholder', NEW.placeholder,
            'url', NEW.url,
            'thumbnail_url', NEW.thumbnail_url,
            'storage_path', NEW.storage_path,
            'status', NEW.status,
            'metadata', json(NEW.metadata),
            'version', NEW.version,
            'created_at', NEW.created_at,
            'updated_at', NEW.updated_at,
            'expires_at', NEW.expires_at
        ),
        ip_address, user_agent, created_at
    FROM audit_stamp;
END;
CREATE TRIGGER media_files_audit_update AFTER UPDATE ON media_files
WHEN NEW.id IS NOT OLD.id
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
        OR NEW.expires_at IS NOT OLD.expires_at
BEGIN
    INSERT INTO audit_logs
    SELECT id, NEW.merchant_id, actor_id, actor_role, 'UPDATE', 'media', NEW.id,
        json_object(
            'id', OLD.id,
            'merchant_id', OLD.merchant_id,
            'owner_id', OLD.owner_id,
            'hash', OLD.hash,
            'original_name', OLD.original_name,
            'file_name', OLD.file_name,
            'mime_type', OLD.mime_type,
            'size', OLD.size,
            'width', OLD.width,
            'height', OLD.height,
            'placeholder', OLD.placeholder,
            'url', OLD.url,
            'thumbnail_url', OLD.thumbnail_url,
            'storage_path', OLD.storage_path,
            'status', OLD.status,
            'metadata', json(OLD.metadata),
            'version', OLD.version,
            'created_at', OLD.created_at,
            'updated_at', OLD.updated_at,
            'expires_at', OLD.expires_at
        ),
        json_object(
            'id', NEW.id,
            'merchant_id', NEW.merchant_id,
            'owner_id', NEW.owner_id,
            'hash', NEW.hash,
            'original_name', NEW.original_name,
            'file_name', NEW.file_name,
            'mime_type', NEW.mime_type,
            'size', NEW.size,
            'width', NEW.width,
            'height', NEW.height,
            'placeholder', NEW.placeholder,
            'url', NEW.url,
            'thumbnail_url', NEW.thumbnail_url,
            'storage_path', NEW.storage_path,
            'status', NEW.status,
            'metadata', json(NEW.metadata),
            'version', NEW.version,
            'created_at', NEW.created_at,
            'updated_at', NEW.updated_at,
            'expires_at', NEW.expires_at
        ),
        ip_address, user_agent, created_at
    FROM audit_stamp;
END;
CREATE TRIGGER media_files_audit_delete BEFORE DELETE ON media_files
BEGIN
    INSERT INTO audit_logs
    SELECT id, OLD.merchant_id, actor_id, actor_role, 'DELETE', 'media', OLD.id,
        json_object(
            'id', OLD.id,
            'merchant_id', OLD.merchant_id,
            'owner_id', OLD.owner_id,
            'hash', OLD.hash,
            'original_name', OLD.original_name,
            'file_name', OLD.file_name,
            'mime_type', OLD.mime_type,
            'size', OLD.size,
            'width', OLD.width,
            'height', OLD.height,
            'placeholder', OLD.placeholder,
            'url', OLD.url,
            'thumbnail_url', OLD.thumbnail_url,
            'storage_path', OLD.storage_path,
            'status', OLD.status,
            'metadata', json(OLD.metadata),
            'version', OLD.version,
            'created_at', OLD.created_at,
            'updated_at', OLD.updated_at,
            'expires_at', OLD.expires_at
        ),
        NULL,
        ip_address, user_agent, created_at
    FROM audit_stamp;
END;
CREATE TRIGGER products_audit_insert AFTER INSERT ON products
BEGIN
    INSERT INTO audit_logs
    SELECT id, NEW.merchant_id, actor_id, actor_role, 'CREATE', 'product', NEW.id,
        NULL,
        json_object(
            'id', NEW.id,
            'merchant_id', NEW.merchant_id,
            'name', NEW.name,
            'description', NEW.description,
            'category', NEW.category,
            'price', NEW.price,
            'currency', NEW.currency,
            'stock', NEW.stock,
            'is_active', json(CASE NEW.is_active WHEN 1 THEN 'true' ELSE 'false' END),
            'version', NEW.version,
            'created_at', NEW.created_at,
            'updated_at', NEW.updated_at
        ),
        ip_address, user_agent, created_at
    FROM audit_stamp;
END;
CREATE TRIGGER products_audit_update AFTER UPDATE ON products
WHEN NEW.id IS NOT OLD.id
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
        OR NEW.updated_at IS NOT OLD.updated_at
BEGIN
    INSERT INTO audit_logs
    SELECT id, NEW.merchant_id, actor_id, actor_role, 'UPDATE', 'product', NEW.id,
        json_object(
            'id', OLD.id,
            'merchant_id', OLD.merchant_id,
            'name', OLD.name,
            'description', OLD.description,
            'category', OLD.category,
            'price', OLD.price,
            'currency', OLD.currency,
            'stock', OLD.stock,
            'is_active', json(CASE OLD.is_active WHEN 1 THEN 'true' ELSE 'false' END),
            'version', OLD.version,
            'created_at', OLD.created_at,
            'updated_at', OLD.updated_at
        ),
        json_object(
            'id', NEW.id,
            'merchant_id', NEW.merchant_id,
            'name', NEW.name,
            'description', NEW.description,
            'category', NEW.category,
            'price', NEW.price,
            'currency', NEW.currency,
            'stock', NEW.stock,
            'is_active', json(CASE NEW.is_active WHEN 1 THEN 'true' ELSE 'false' END),
            'version', NEW.version,
            'created_at', NEW.created_at,
            'updated_at', NEW.updated_at
        ),
        ip_address, user_agent, created_at
    FROM audit_stamp;
END;
CREATE TRIGGER products_audit_delete BEFORE DELETE ON products
BEGIN
    INSERT INTO audit_logs
    SELECT id, OLD.merchant_id, actor_id, actor_role, 'DELETE', 'product', OLD.id,
        json_object(
            'id', OLD.id,
            'merchant_id', OLD.merchant_id,
            'name', OLD.name,
            'description', OLD.description,
            'category', OLD.category,
            'price', OLD.price,
            'currency', OLD.currency,
            'stock', OLD.stock,
            'is_active', json(CASE OLD.is_active WHEN 1 THEN 'true' ELSE 'false' END),
            'version', OLD.version,
            'created_at', OLD.created_at,
            'updated_at', OLD.updated_at
        ),
        NULL,
        ip_address, user_agent, created_at
    FROM audit_stamp;
END;
CREATE TRIGGER product_media_audit_insert AFTER INSERT ON product_media
BEGIN
    INSERT INTO audit_logs
    SELECT id, NEW.merchant_id, actor_id, actor_role, 'CREATE', 'product_media', NEW.id,
        NULL,
        json_object(
            'id', NEW.id,
            'merchant_id', NEW.merchant_id,
            'product_id', NEW.product_id,
            'media_id', NEW.media_id,
            'sequence', NEW.sequence,
            'is_primary', json(CASE NEW.is_primary WHEN 1 THEN 'true' ELSE 'false' END),
            'version', NEW.version,
            'created_at', NEW.created_at,
            'updated_at', NEW.updated_at
        ),
        ip_address, user_agent, created_at
    FROM audit_stamp;
END;
CREATE TRIGGER product_media_audit_update AFTER UPDATE ON product_media
WHEN NEW.id IS NOT OLD.id
        OR NEW.merchant_id IS NOT OLD.merchant_id
        OR NEW.product_id IS NOT OLD.product_id
        OR NEW.media_id IS NOT OLD.media_id
        OR NEW.sequence IS NOT OLD.sequence
        OR NEW.is_primary IS NOT OLD.is_primary
        OR NEW.version IS NOT OLD.version
        OR NEW.created_at IS NOT OLD.created_at
        OR NEW.updated_at IS NOT OLD.updated_at
BEGIN
    INSERT INTO audit_logs
    SELECT id, NEW.merchant_id, actor_id, actor_role, 'UPDATE', 'product_media', NEW.id,
        json_object(
            'id', OLD.id,
            'merchant_id', OLD.merchant_id,
            'product_id', OLD.product_id,
            'media_id', OLD.media_id,
            'sequence', OLD.sequence,
            'is_primary', json(CASE OLD.is_primary WHEN 1 THEN 'true' ELSE 'false' END),
            'version', OLD.version,
            'created_at', OLD.created_at,
            'updated_at', OLD.updated_at
        ),
        json_object(
            'id', NEW.id,
            'merchant_id', NEW.merchant_id,
            'product_id', NEW.product_id,
            'media_id', NEW.media_id,
            'sequence', NEW.sequence,
            'is_primary', json(CASE NEW.is_primary WHEN 1 THEN 'true' ELSE 'false' END),
            'version', NEW.version,
            'created_at', NEW.created_at,
            'updated_at', NEW.updated_at
        ),
        ip_address, user_agent, created_at
    FROM audit_stamp;
END;
CREATE TRIGGER product_media_audit_delete BEFORE DELETE ON product_media
BEGIN
    INSERT INTO audit_logs
    SELECT id, OLD.merchant_id, actor_id, actor_role, 'DELETE', 'product_media', OLD.id,
        json_object(
            'id', OLD.id,
            'merchant_id', OLD.merchant_id,
            'product_id', OLD.product_id,
            'media_id', OLD.media_id,
            'sequence', OLD.sequence,
            'is_primary', json(CASE OLD.is_primary WHEN 1 THEN 'true' ELSE 'false' END),
            'version', OLD.version,
            'created_at', OLD.created_at,
            'updated_at', OLD.updated_at
        ),
        NULL,
        ip_address, user_agent, created_at
    FROM audit_stamp;
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
            'version', OLD.version,
            'created_at', OLD.created_at,
            'updated_at', OLD.updated_at
        ),
        NULL,
        ip_address, user_agent, created_at
    FROM audit_stamp;
END;
CREATE TRIGGER payments_audit_insert AFTER INSERT ON payments
BEGIN
    INSERT INTO audit_logs
    SELECT id, NEW.merchant_id, actor_id, actor_role, 'CREATE', 'payment', NEW.id,
        NULL,
        json_object(
            'id', NEW.id,
            'merchant_id', NEW.merchant_id,
            'order_id', NEW.order_id,
            'amount', NEW.amount,
            'currency', NEW.currency,
            'method', NEW.method,
            'transaction_id', NEW.transaction_id,
            'created_by', NEW.created_by,
            'created_at', NEW.created_at
        ),
        ip_address, user_agent, created_at
    FROM audit_stamp;
END;
CREATE TRIGGER payments_audit_delete BEFORE DELETE ON payments
BEGIN
    INSERT INTO audit_logs
    SELECT id, OLD.merchant_id, actor_id, actor_role, 'DELETE', 'payment', OLD.id,
        json_object(
            'id', OLD.id,
            'merchant_id', OLD.merchant_id,
            'order_id', OLD.order_id,
            'amount', OLD.amount,
            'currency', OLD.currency,
            'method', OLD.method,
            'transaction_id', OLD.transaction_id,
            'created_by', OLD.created_by,
            'created_at', OLD.created_at
        ),
        NULL,
        ip_address, user_agent, created_at
    FROM audit_stamp;
END;
CREATE TRIGGER delivery_tasks_audit_insert AFTER INSERT ON delivery_tasks
BEGIN
    INSERT INTO audit_logs
    SELECT id, NEW.merchant_id, actor_id, actor_role, 'CREATE', 'delivery_task', NEW.id,
        NULL,
        json_object(
            'id', NEW.id,
            'merchant_id', NEW.merchant_id,
            'order_id', NEW.order_id,
            'driver_id', NEW.driver_id,
            'status', NEW.status,
            'pickup_lat', NEW.pickup_lat,
            'pickup_lng', NEW.pickup_lng,
            'dropoff_lat', NEW.dropoff_lat,
            'dropoff_lng', NEW.dropoff_lng,
            'estimated_time_minutes', NEW.estimated_time_minutes,
            'distance_km', NEW.distance_km,
            'fee', NEW.fee,
            'notes', NEW.notes,
            'version', NEW.version,
            'created_at', NEW.created_at,
            'updated_at', NEW.updated_at,
            'completed_at', NEW.completed_at
        ),
        ip_address, user_agent, created_at
    FROM audit_stamp;
END;
CREATE TRIGGER delivery_tasks_audit_update AFTER UPDATE ON delivery_tasks
WHEN NEW.id IS NOT OLD.id
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
        OR NEW.completed_at IS NOT OLD.completed_at
BEGIN
    INSERT INTO audit_logs
    SELECT id, NEW.merchant_id, actor_id, actor_role, 'UPDATE', 'delivery_task', NEW.id,
        json_object(
            'id', OLD.id,
            'merchant_id', OLD.merchant_id,
            'order_id', OLD.order_id,
            'driver_id', OLD.driver_id,
            'status', OLD.status,
            'pickup_lat', OLD.pickup_lat,
            'pickup_lng', OLD.pickup_lng,
            'dropoff_lat', OLD.dropoff_lat,
            'dropoff_lng', OLD.dropoff_lng,
            'estimated_time_minutes', OLD.estimated_time_minutes,
            'distance_km', OLD.distance_km,
            'fee', OLD.fee,
            'notes', OLD.notes,
            'version', OLD.version,
            'created_at', OLD.created_at,
            'updated_at', OLD.updated_at,
            'completed_at', OLD.completed_at
        ),
        json_object(
            'id', NEW.id,
            'merchant_id', NEW.merchant_id,
            'order_id', NEW.order_id,
            'driver_id', NEW.driver_id,
            'status', NEW.status,
            'pickup_lat', NEW.pickup_lat,
            'pickup_lng', NEW.pickup_lng,
            'dropoff_lat', NEW.dropoff_lat,
            'dropoff_lng', NEW.dropoff_lng,
            'estimated_time_minutes', NEW.estimated_time_minutes,
            'distance_km', NEW.distance_km,
            'fee', NEW.fee,
            'notes', NEW.notes,
            'version', NEW.version,
            'created_at', NEW.created_at,
            'updated_at', NEW.updated_at,
            'completed_at', NEW.completed_at
        ),
        ip_address, user_agent, created_at
    FROM audit_stamp;
END;
CREATE TRIGGER delivery_tasks_audit_delete BEFORE DELETE ON delivery_tasks
BEGIN
    INSERT INTO audit_logs
    SELECT id, OLD.merchant_id, actor_id, actor_role, 'DELETE', 'delivery_task', OLD.id,
        json_object(
            'id', OLD.id,
            'merchant_id', OLD.merchant_id,
            'order_id', OLD.order_id,
            'driver_id', OLD.driver_id,
            'status', OLD.status,
            'pickup_lat', OLD.pickup_lat,
            'pickup_lng', OLD.pickup_lng,
            'dropoff_lat', OLD.dropoff_lat,
            'dropoff_lng', OLD.dropoff_lng,
            'estimated_time_minutes', OLD.estimated_time_minutes,
            'distance_km', OLD.distance_km,
            'fee', OLD.fee,
            'notes', OLD.notes,
            'version', OLD.version,
            'created_at', OLD.created_at,
            'updated_at', OLD.updated_at,
            'completed_at', OLD.completed_at
        ),
        NULL,
        ip_address, user_agent, created_at
    FROM audit_stamp;
END;
CREATE TRIGGER messages_audit_insert AFTER INSERT ON messages
BEGIN
    INSERT INTO audit_logs
    SELECT id, NEW.merchant_id, actor_id, actor_role, 'CREATE', 'message', NEW.id,
        NULL,
        json_object(
            'id', NEW.id,
            'merchant_id', NEW.merchant_id,
            'direction', NEW.direction,
            'phone', NEW.phone,
            'chat', NEW.chat,
            'text', NEW.text,
            'type', NEW.type,
            'template_id', NEW.template_id,
            'payload', json(NEW.payload),
            'provider_id', NEW.provider_id,
            'status', NEW.status,
            'error', NEW.error,
            'event_id', NEW.event_id,
            'version', NEW.version,
            'created_at', NEW.created_at,
            'updated_at', NEW.updated_at
        ),
        ip_address, user_agent, created_at
    FROM audit_stamp;
END;
CREATE TRIGGER messages_audit_update AFTER UPDATE ON messages
WHEN NEW.id IS NOT OLD.id
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
        OR NEW.updated_at IS NOT OLD.updated_at
BEGIN
    INSERT INTO audit_logs
    SELECT id, NEW.merchant_id, actor_id, actor_role, 'UPDATE', 'message', NEW.id,
        json_object(
            'id', OLD.id,
            'merchant_id', OLD.merchant_id,
            'direction', OLD.direction,
            'phone', OLD.phone,
            'chat', OLD.chat,
            'text', OLD.text,
            'type', OLD.type,
            'template_id', OLD.template_id,
            'payload', json(OLD.payload),
            'provider_id', OLD.provider_id,
            'status', OLD.status,
            'error', OLD.error,
            'event_id', OLD.event_id,
            'version', OLD.version,
            'created_at', OLD.created_at,
            'updated_at', OLD.updated_at
        ),
        json_object(
            'id', NEW.id,
            'merchant_id', NEW.merchant_id,
            'direction', NEW.direction,
            'phone', NEW.phone,
            'chat', NEW.chat,
            'text', NEW.text,
            'type', NEW.type,
            'template_id', NEW.template_id,
            'payload', json(NEW.payload),
            'provider_id', NEW.provider_id,
            'status', NEW.status,
            'error', NEW.error,
            'event_id', NEW.event_id,
            'version', NEW.version,
            'created_at', NEW.created_at,
            'updated_at', NEW.updated_at
        ),
        ip_address, user_agent, created_at
    FROM audit_stamp;
END;
CREATE TRIGGER messages_audit_delete BEFORE DELETE ON messages
BEGIN
    INSERT INTO audit_logs
    SELECT id, OLD.merchant_id, actor_id, actor_role, 'DELETE', 'message', OLD.id,
        json_object(
            'id', OLD.id,
            'merchant_id', OLD.merchant_id,
            'direction', OLD.direction,
            'phone', OLD.phone,
            'chat', OLD.chat,
            'text', OLD.text,
            'type', OLD.type,
            'template_id', OLD.template_id,
            'payload', json(OLD.payload),
            'provider_id', OLD.provider_id,
            'status', OLD.status,
            'error', OLD.error,
            'event_id', OLD.event_id,
            'version', OLD.version,
            'created_at', OLD.created_at,
            'updated_at', OLD.updated_at
        ),
        NULL,
        ip_address, user_agent, created_at
    FROM audit_stamp;
END;
CREATE TRIGGER webhooks_audit_insert AFTER INSERT ON webhooks
BEGIN
    INSERT INTO audit_logs
    SELECT id, NEW.merchant_id, actor_id, actor_role, 'CREATE', 'webhook', NEW.id,
        NULL,
        json_object(
            'id', NEW.id,
            'merchant_id', NEW.merchant_id,
            'event_types', json(NEW.event_types),
            'url', NEW.url,
            'is_active', json(CASE NEW.is_active WHEN 1 THEN 'true' ELSE 'false' END),
            'retry_count', NEW.retry_count,
            'last_triggered_at', NEW.last_triggered_at,
            'disabled_reason', NEW.disabled_reason,
            'version', NEW.version,
            'created_at', NEW.created_at,
            'updated_at', NEW.updated_at
        ),
        ip_address, user_agent, created_at
    FROM audit_stamp;
END;
CREATE TRIGGER webhooks_audit_update AFTER UPDATE ON webhooks
WHEN NEW.id IS NOT OLD.id
        OR NEW.merchant_id IS NOT OLD.merchant_id
        OR NEW.event_types IS NOT OLD.event_types
        OR NEW.url IS NOT OLD.url
        OR NEW.is_active IS NOT OLD.is_active
        OR NEW.secret IS NOT OLD.secret
        OR NEW.disabled_reason IS NOT OLD.disabled_reason
        OR NEW.version IS NOT OLD.version
        OR NEW.created_at IS NOT OLD.created_at
        OR NEW.updated_at IS NOT OLD.updated_at
BEGIN
    INSERT INTO audit_logs
    SELECT id, NEW.merchant_id, actor_id, actor_role, 'UPDATE', 'webhook', NEW.id,
        json_object(
            'id', OLD.id,
            'merchant_id', OLD.merchant_id,
            'event_types', json(OLD.event_types),
            'url', OLD.url,
            'is_active', json(CASE OLD.is_active WHEN 1 THEN 'true' ELSE 'false' END),
            'retry_count', OLD.retry_count,
            'last_triggered_at', OLD.last_triggered_at,
            'disabled_reason', OLD.disabled_reason,
            'version', OLD.version,
            'created_at', OLD.created_at,
            'updated_at', OLD.updated_at
        ),
        json_object(
            'id', NEW.id,
            'merchant_id', NEW.merchant_id,
            'event_types', json(NEW.event_types),
            'url', NEW.url,
            'is_active', json(CASE NEW.is_active WHEN 1 THEN 'true' ELSE 'false' END),
            'retry_count', NEW.retry_count,
            'last_triggered_at', NEW.last_triggered_at,
            'disabled_reason', NEW.disabled_reason,
            'version', NEW.version,
            'created_at', NEW.created_at,
            'updated_at', NEW.updated_at
        ),
        ip_address, user_agent, created_at
    FROM audit_stamp;
END;
CREATE TRIGGER webhooks_audit_delete BEFORE DELETE ON webhooks
BEGIN
    INSERT INTO audit_logs
    SELECT id, OLD.merchant_id, actor_id, actor_role, 'DELETE', 'webhook', OLD.id,
        json_object(
            'id', OLD.id,
            'merchant_id', OLD.merchant_id,
            'event_types', json(OLD.event_types),
            'url', OLD.url,
            'is_active', json(CASE OLD.is_active WHEN 1 THEN 'true' ELSE 'false' END),
            'retry_count', OLD.retry_count,
            'last_triggered_at', OLD.last_triggered_at,
            'disabled_reason', OLD.disabled_reason,
            'version', OLD.version,
            'created_at', OLD.created_at,
            'updated_at', OLD.updated_at
        ),
        NULL,
        ip_address, user_agent, created_at
    FROM audit_stamp;
END;
