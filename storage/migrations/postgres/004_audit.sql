-- The audit, written by the database itself.

-- Who changed what, written by the triggers below and by nothing else; no secret is in it.
CREATE TABLE audit_logs (
    id TEXT COLLATE "C" NOT NULL CHECK (char_length(id) = 36), -- UUIDv7, in the order of writing
    merchant_id TEXT COLLATE "C" NOT NULL, -- whose row was changed; '*': an admin's key
    actor_id TEXT COLLATE "C", -- the key that did it; NULL: the hub itself
    actor_role TEXT COLLATE "C" NOT NULL CHECK (actor_role IN ('admin', 'merchant', 'viewer', 'bot', 'hub')), -- the key's role, or hub
    action TEXT COLLATE "C" NOT NULL CHECK (action IN ('CREATE', 'UPDATE', 'DELETE')), -- what was done
    target_type TEXT COLLATE "C" NOT NULL, -- the kind of row, in the singular
    target_id TEXT COLLATE "C" NOT NULL, -- the id of the row
    before_state JSONB, -- the row before; NULL: there was none
    after_state JSONB, -- the row afterwards; NULL: there is none
    ip_address TEXT COLLATE "C", -- where the actor called from
    user_agent TEXT COLLATE "C", -- what the actor called with
    created_at TIMESTAMPTZ(3) NOT NULL, -- when it was done
    PRIMARY KEY (id)
);
CREATE INDEX audit_logs_merchant ON audit_logs (merchant_id, id);
CREATE INDEX audit_logs_target_type ON audit_logs (merchant_id, target_type, id);
CREATE INDEX audit_logs_target ON audit_logs (merchant_id, target_id, id);
CREATE INDEX audit_logs_actor ON audit_logs (merchant_id, actor_id, id);
CREATE INDEX audit_logs_action ON audit_logs (merchant_id, action, id);

-- The application reads it and writes nothing: the rows come from the functions below, which run
-- as their owner.
ALTER TABLE audit_logs ENABLE ROW LEVEL SECURITY;
ALTER TABLE audit_logs FORCE ROW LEVEL SECURITY;
CREATE POLICY audit_logs_every ON audit_logs TO hub_app, CURRENT_USER
    USING ((SELECT hub_merchant()) = '*') WITH CHECK ((SELECT hub_merchant()) = '*');
CREATE POLICY audit_logs_own ON audit_logs FOR SELECT TO hub_tenant
    USING (merchant_id = (SELECT hub_merchant()));
CREATE POLICY audit_logs_write ON audit_logs FOR INSERT TO CURRENT_USER
    WITH CHECK ((SELECT hub_merchant()) IN (merchant_id, '*'));
GRANT SELECT ON audit_logs TO hub_app, hub_tenant;
CREATE TRIGGER audit_logs_pinned BEFORE UPDATE ON audit_logs FOR EACH ROW
    EXECUTE FUNCTION refuse_row('sealed: the audit never changes');
CREATE TRIGGER audit_logs_kept BEFORE DELETE ON audit_logs FOR EACH ROW
    EXECUTE FUNCTION refuse_row('sealed: the audit is never removed');

-- A time as it is written everywhere in the hub: RFC 3339, UTC, milliseconds.
CREATE FUNCTION rfc3339(moment timestamptz) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
AS $$ SELECT to_char(moment AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') $$;

-- Writes one row. The id is a UUIDv7 whose 12 bits behind the version are the fraction of the
-- millisecond (RFC 9562, 6.2, method 3), so the rows of a transaction are in order.
-- Raises insufficient_privilege when no merchant is bound.
CREATE FUNCTION write_audit(
    merchant text, target_type text, target_id text, operation text, before jsonb, after jsonb
) RETURNS void
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    actor JSONB := nullif(current_setting('hub.actor', TRUE), '')::jsonb;
    moment TIMESTAMPTZ := clock_timestamp();
    micros BIGINT := (extract(epoch FROM moment) * 1000000)::bigint;
    clock TEXT := lpad(to_hex(micros / 1000), 12, '0');
    random TEXT := replace(gen_random_uuid()::text, '-', '');
BEGIN
    PERFORM hub_merchant();
    INSERT INTO audit_logs (
        id, merchant_id, actor_id, actor_role, action, target_type, target_id,
        before_state, after_state, ip_address, user_agent, created_at
    ) VALUES (
        substr(clock, 1, 8) || '-' || substr(clock, 9) || '-7'
        || lpad(to_hex(micros % 1000 * 4096 / 1000), 3, '0')
        || '-' || substr(random, 17, 4) || '-' || substr(random, 21),
        coalesce(merchant, '*'), actor ->> 'id', coalesce(actor ->> 'role', 'hub'),
        CASE operation WHEN 'INSERT' THEN 'CREATE' ELSE operation END,
        target_type, target_id, before, after, actor ->> 'address', actor ->> 'agent',
        date_trunc('milliseconds', moment)
    );
END
$$;
REVOKE ALL ON FUNCTION write_audit(text, text, text, text, jsonb, jsonb), rfc3339(timestamptz)
    FROM PUBLIC;

-- A row's whole state before and after, without secrets; a change of nothing that counts is none.
CREATE FUNCTION audit_merchants() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    before JSONB;
    after JSONB;
BEGIN
    IF TG_OP <> 'INSERT' THEN
        before := jsonb_build_object(
            'id', OLD.id,
            'name', OLD.name,
            'version', OLD.version,
            'created_at', rfc3339(OLD.created_at),
            'updated_at', rfc3339(OLD.updated_at),
            'seeded_at', rfc3339(OLD.seeded_at)
        );
    END IF;
    IF TG_OP <> 'DELETE' THEN
        after := jsonb_build_object(
            'id', NEW.id,
            'name', NEW.name,
            'version', NEW.version,
            'created_at', rfc3339(NEW.created_at),
            'updated_at', rfc3339(NEW.updated_at),
            'seeded_at', rfc3339(NEW.seeded_at)
        );
        PERFORM write_audit(NEW.id, 'merchant', NEW.id, TG_OP, before, after);
    ELSE
        PERFORM write_audit(OLD.id, 'merchant', OLD.id, TG_OP, before, after);
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER merchants_audit AFTER INSERT OR DELETE ON merchants FOR EACH ROW
    EXECUTE FUNCTION audit_merchants();
CREATE TRIGGER merchants_audit_update AFTER UPDATE ON merchants FOR EACH ROW
    WHEN ((NEW.id, NEW.name, NEW.version, NEW.created_at, NEW.updated_at) IS DISTINCT FROM (OLD.id, OLD.name, OLD.version, OLD.created_at, OLD.updated_at))
    EXECUTE FUNCTION audit_merchants();
CREATE FUNCTION audit_api_keys() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    before JSONB;
    after JSONB;
BEGIN
    IF TG_OP <> 'INSERT' THEN
        before := jsonb_build_object(
            'id', OLD.id,
            'merchant_id', OLD.merchant_id,
            'role', OLD.role,
            'name', OLD.name,
            'prefix', OLD.prefix,
            'connected', OLD.connected,
            'bootstrap', OLD.bootstrap,
            'version', OLD.version,
            'created_at', rfc3339(OLD.created_at),
            'expires_at', rfc3339(OLD.expires_at),
            'revoked_at', rfc3339(OLD.revoked_at)
        );
    END IF;
    IF TG_OP <> 'DELETE' THEN
        after := jsonb_build_object(
            'id', NEW.id,
            'merchant_id', NEW.merchant_id,
            'role', NEW.role,
            'name', NEW.name,
            'prefix', NEW.prefix,
            'connected', NEW.connected,
            'bootstrap', NEW.bootstrap,
            'version', NEW.version,
            'created_at', rfc3339(NEW.created_at),
            'expires_at', rfc3339(NEW.expires_at),
            'revoked_at', rfc3339(NEW.revoked_at)
        );
        PERFORM write_audit(NEW.merchant_id, 'key', NEW.id, TG_OP, before, after);
    ELSE
        PERFORM write_audit(OLD.merchant_id, 'key', OLD.id, TG_OP, before, after);
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER api_keys_audit AFTER INSERT OR DELETE ON api_keys FOR EACH ROW
    EXECUTE FUNCTION audit_api_keys();
CREATE TRIGGER api_keys_audit_update AFTER UPDATE ON api_keys FOR EACH ROW
    WHEN ((NEW.id, NEW.merchant_id, NEW.role, NEW.name, NEW.prefix, NEW.bootstrap, NEW.version, NEW.created_at, NEW.expires_at, NEW.revoked_at, NEW.token_hash) IS DISTINCT FROM (OLD.id, OLD.merchant_id, OLD.role, OLD.name, OLD.prefix, OLD.bootstrap, OLD.version, OLD.created_at, OLD.expires_at, OLD.revoked_at, OLD.token_hash))
    EXECUTE FUNCTION audit_api_keys();
CREATE FUNCTION audit_message_templates() RETURNS trigger
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
            'description', OLD.description,
            'type', OLD.type,
            'language', OLD.language,
            'header', OLD.header,
            'body', OLD.body,
            'footer', OLD.footer,
            'button_text', OLD.button_text,
            'buttons', OLD.buttons,
            'sections', OLD.sections,
            'media', OLD.media,
            'variables', OLD.variables,
            'example_payload', OLD.example_payload,
            'version', OLD.version,
            'status', OLD.status,
            'created_by', OLD.created_by,
            'created_at', rfc3339(OLD.created_at),
            'updated_at', rfc3339(OLD.updated_at)
        );
    END IF;
    IF TG_OP <> 'DELETE' THEN
        after := jsonb_build_object(
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
            'buttons', NEW.buttons,
            'sections', NEW.sections,
            'media', NEW.media,
            'variables', NEW.variables,
            'example_payload', NEW.example_payload,
            'version', NEW.version,
            'status', NEW.status,
            'created_by', NEW.created_by,
            'created_at', rfc3339(NEW.created_at),
            'updated_at', rfc3339(NEW.updated_at)
        );
        PERFORM write_audit(NEW.merchant_id, 'template', NEW.id, TG_OP, before, after);
    ELSE
        PERFORM write_audit(OLD.merchant_id, 'template', OLD.id, TG_OP, before, after);
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER message_templates_audit AFTER INSERT OR DELETE ON message_templates FOR EACH ROW
    EXECUTE FUNCTION audit_message_templates();
CREATE TRIGGER message_templates_audit_update AFTER UPDATE ON message_templates FOR EACH ROW
    WHEN ((NEW.*) IS DISTINCT FROM (OLD.*))
    EXECUTE FUNCTION audit_message_templates();
CREATE FUNCTION audit_template_versions() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    before JSONB;
    after JSONB;
BEGIN
    IF TG_OP <> 'INSERT' THEN
        before := jsonb_build_object(
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
            'buttons', OLD.buttons,
            'sections', OLD.sections,
            'media', OLD.media,
            'variables', OLD.variables,
            'example_payload', OLD.example_payload,
            'status', OLD.status,
            'changed_by', OLD.changed_by,
            'changed_at', rfc3339(OLD.changed_at)
        );
    END IF;
    IF TG_OP <> 'DELETE' THEN
        after := jsonb_build_object(
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
            'buttons', NEW.buttons,
            'sections', NEW.sections,
            'media', NEW.media,
            'variables', NEW.variables,
            'example_payload', NEW.example_payload,
            'status', NEW.status,
            'changed_by', NEW.changed_by,
            'changed_at', rfc3339(NEW.changed_at)
        );
        PERFORM write_audit(NEW.merchant_id, 'template_version', NEW.id, TG_OP, before, after);
    ELSE
        PERFORM write_audit(OLD.merchant_id, 'template_version', OLD.id, TG_OP, before, after);
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER template_versions_audit AFTER INSERT OR DELETE ON template_versions FOR EACH ROW
    EXECUTE FUNCTION audit_template_versions();
CREATE TRIGGER template_versions_audit_update AFTER UPDATE ON template_versions FOR EACH ROW
    WHEN ((NEW.*) IS DISTINCT FROM (OLD.*))
    EXECUTE FUNCTION audit_template_versions();
CREATE FUNCTION audit_media_files() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    before JSONB;
    after JSONB;
BEGIN
    IF TG_OP <> 'INSERT' THEN
        before := jsonb_build_object(
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
            'metadata', OLD.metadata,
            'version', OLD.version,
            'created_at', rfc3339(OLD.created_at),
            'updated_at', rfc3339(OLD.updated_at),
            'expires_at', rfc3339(OLD.expires_at)
        );
    END IF;
    IF TG_OP <> 'DELETE' THEN
        after := jsonb_build_object(
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
            'metadata', NEW.metadata,
            'version', NEW.version,
            'created_at', rfc3339(NEW.created_at),
            'updated_at', rfc3339(NEW.updated_at),
            'expires_at', rfc3339(NEW.expires_at)
        );
        PERFORM write_audit(NEW.merchant_id, 'media', NEW.id, TG_OP, before, after);
    ELSE
        PERFORM write_audit(OLD.merchant_id, 'media', OLD.id, TG_OP, before, after);
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER media_files_audit AFTER INSERT OR DELETE ON media_files FOR EACH ROW
    EXECUTE FUNCTION audit_media_files();
CREATE TRIGGER media_files_audit_update AFTER UPDATE ON media_files FOR EACH ROW
    WHEN ((NEW.*) IS DISTINCT FROM (OLD.*))
    EXECUTE FUNCTION audit_media_files();
CREATE FUNCTION audit_products() RETURNS trigger
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
            'description', OLD.description,
            'category', OLD.category,
            'price', OLD.price,
            'currency', OLD.currency,
            'stock', OLD.stock,
            'is_active', OLD.is_active,
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
            'description', NEW.description,
            'category', NEW.category,
            'price', NEW.price,
            'currency', NEW.currency,
            'stock', NEW.stock,
            'is_active', NEW.is_active,
            'version', NEW.version,
            'created_at', rfc3339(NEW.created_at),
            'updated_at', rfc3339(NEW.updated_at)
        );
        PERFORM write_audit(NEW.merchant_id, 'product', NEW.id, TG_OP, before, after);
    ELSE
        PERFORM write_audit(OLD.merchant_id, 'product', OLD.id, TG_OP, before, after);
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER products_audit AFTER INSERT OR DELETE ON products FOR EACH ROW
    EXECUTE FUNCTION audit_products();
CREATE TRIGGER products_audit_update AFTER UPDATE ON products FOR EACH ROW
    WHEN ((NEW.*) IS DISTINCT FROM (OLD.*))
    EXECUTE FUNCTION audit_products();
CREATE FUNCTION audit_product_media() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    before JSONB;
    after JSONB;
BEGIN
    IF TG_OP <> 'INSERT' THEN
        before := jsonb_build_object(
            'id', OLD.id,
            'merchant_id', OLD.merchant_id,
            'product_id', OLD.product_id,
            'media_id', OLD.media_id,
            'sequence', OLD.sequence,
            'is_primary', OLD.is_primary,
            'version', OLD.version,
            'created_at', rfc3339(OLD.created_at),
            'updated_at', rfc3339(OLD.updated_at)
        );
    END IF;
    IF TG_OP <> 'DELETE' THEN
        after := jsonb_build_object(
            'id', NEW.id,
            'merchant_id', NEW.merchant_id,
            'product_id', NEW.product_id,
            'media_id', NEW.media_id,
            'sequence', NEW.sequence,
            'is_primary', NEW.is_primary,
            'version', NEW.version,
            'created_at', rfc3339(NEW.created_at),
            'updated_at', rfc3339(NEW.updated_at)
        );
        PERFORM write_audit(NEW.merchant_id, 'product_media', NEW.id, TG_OP, before, after);
    ELSE
        PERFORM write_audit(OLD.merchant_id, 'product_media', OLD.id, TG_OP, before, after);
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER product_media_audit AFTER INSERT OR DELETE ON product_media FOR EACH ROW
    EXECUTE FUNCTION audit_product_media();
CREATE TRIGGER product_media_audit_update AFTER UPDATE ON product_media FOR EACH ROW
    WHEN ((NEW.*) IS DISTINCT FROM (OLD.*))
    EXECUTE FUNCTION audit_product_media();
CREATE FUNCTION audit_orders() RETURNS trigger
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
CREATE TRIGGER orders_audit AFTER INSERT OR DELETE ON orders FOR EACH ROW
    EXECUTE FUNCTION audit_orders();
CREATE TRIGGER orders_audit_update AFTER UPDATE ON orders FOR EACH ROW
    WHEN ((NEW.*) IS DISTINCT FROM (OLD.*))
    EXECUTE FUNCTION audit_orders();
CREATE FUNCTION audit_payments() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    before JSONB;
    after JSONB;
BEGIN
    IF TG_OP <> 'INSERT' THEN
        before := jsonb_build_object(
            'id', OLD.id,
            'merchant_id', OLD.merchant_id,
            'order_id', OLD.order_id,
            'amount', OLD.amount,
            'currency', OLD.currency,
            'method', OLD.method,
            'transaction_id', OLD.transaction_id,
            'created_by', OLD.created_by,
            'created_at', rfc3339(OLD.created_at)
        );
    END IF;
    IF TG_OP <> 'DELETE' THEN
        after := jsonb_build_object(
            'id', NEW.id,
            'merchant_id', NEW.merchant_id,
            'order_id', NEW.order_id,
            'amount', NEW.amount,
            'currency', NEW.currency,
            'method', NEW.method,
            'transaction_id', NEW.transaction_id,
            'created_by', NEW.created_by,
            'created_at', rfc3339(NEW.created_at)
        );
        PERFORM write_audit(NEW.merchant_id, 'payment', NEW.id, TG_OP, before, after);
    ELSE
        PERFORM write_audit(OLD.merchant_id, 'payment', OLD.id, TG_OP, before, after);
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER payments_audit AFTER INSERT OR DELETE ON payments FOR EACH ROW
    EXECUTE FUNCTION audit_payments();
CREATE FUNCTION audit_delivery_tasks() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    before JSONB;
    after JSONB;
BEGIN
    IF TG_OP <> 'INSERT' THEN
        before := jsonb_build_object(
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
            'created_at', rfc3339(OLD.created_at),
            'updated_at', rfc3339(OLD.updated_at),
            'completed_at', rfc3339(OLD.completed_at)
        );
    END IF;
    IF TG_OP <> 'DELETE' THEN
        after := jsonb_build_object(
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
            'created_at', rfc3339(NEW.created_at),
            'updated_at', rfc3339(NEW.updated_at),
            'completed_at', rfc3339(NEW.completed_at)
        );
        PERFORM write_audit(NEW.merchant_id, 'delivery_task', NEW.id, TG_OP, before, after);
    ELSE
        PERFORM write_audit(OLD.merchant_id, 'delivery_task', OLD.id, TG_OP, before, after);
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER delivery_tasks_audit AFTER INSERT OR DELETE ON delivery_tasks FOR EACH ROW
    EXECUTE FUNCTION audit_delivery_tasks();
CREATE TRIGGER delivery_tasks_audit_update AFTER UPDATE ON delivery_tasks FOR EACH ROW
    WHEN ((NEW.*) IS DISTINCT FROM (OLD.*))
    EXECUTE FUNCTION audit_delivery_tasks();
CREATE FUNCTION audit_messages() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    before JSONB;
    after JSONB;
BEGIN
    IF TG_OP <> 'INSERT' THEN
        before := jsonb_build_object(
            'id', OLD.id,
            'merchant_id', OLD.merchant_id,
            'direction', OLD.direction,
            'phone', OLD.phone,
            'chat', OLD.chat,
            'text', OLD.text,
            'type', OLD.type,
            'template_id', OLD.template_id,
            'payload', OLD.payload,
            'provider_id', OLD.provider_id,
            'status', OLD.status,
            'error', OLD.error,
            'event_id', OLD.event_id,
            'version', OLD.version,
            'created_at', rfc3339(OLD.created_at),
            'updated_at', rfc3339(OLD.updated_at)
        );
    END IF;
    IF TG_OP <> 'DELETE' THEN
        after := jsonb_build_object(
            'id', NEW.id,
            'merchant_id', NEW.merchant_id,
            'direction', NEW.direction,
            'phone', NEW.phone,
            'chat', NEW.chat,
            'text', NEW.text,
            'type', NEW.type,
            'template_id', NEW.template_id,
            'payload', NEW.payload,
            'provider_id', NEW.provider_id,
            'status', NEW.status,
            'error', NEW.error,
            'event_id', NEW.event_id,
            'version', NEW.version,
            'created_at', rfc3339(NEW.created_at),
            'updated_at', rfc3339(NEW.updated_at)
        );
        PERFORM write_audit(NEW.merchant_id, 'message', NEW.id, TG_OP, before, after);
    ELSE
        PERFORM write_audit(OLD.merchant_id, 'message', OLD.id, TG_OP, before, after);
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER messages_audit AFTER INSERT OR DELETE ON messages FOR EACH ROW
    EXECUTE FUNCTION audit_messages();
CREATE TRIGGER messages_audit_update AFTER UPDATE ON messages FOR EACH ROW
    WHEN ((NEW.*) IS DISTINCT FROM (OLD.*))
    EXECUTE FUNCTION audit_messages();
CREATE FUNCTION audit_webhooks() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    before JSONB;
    after JSONB;
BEGIN
    IF TG_OP <> 'INSERT' THEN
        before := jsonb_build_object(
            'id', OLD.id,
            'merchant_id', OLD.merchant_id,
            'event_types', OLD.event_types,
            'url', OLD.url,
            'is_active', OLD.is_active,
            'retry_count', OLD.retry_count,
            'last_triggered_at', rfc3339(OLD.last_triggered_at),
            'disabled_reason', OLD.disabled_reason,
            'version', OLD.version,
            'created_at', rfc3339(OLD.created_at),
            'updated_at', rfc3339(OLD.updated_at)
        );
    END IF;
    IF TG_OP <> 'DELETE' THEN
        after := jsonb_build_object(
            'id', NEW.id,
            'merchant_id', NEW.merchant_id,
            'event_types', NEW.event_types,
            'url', NEW.url,
            'is_active', NEW.is_active,
            'retry_count', NEW.retry_count,
            'last_triggered_at', rfc3339(NEW.last_triggered_at),
            'disabled_reason', NEW.disabled_reason,
            'version', NEW.version,
            'created_at', rfc3339(NEW.created_at),
            'updated_at', rfc3339(NEW.updated_at)
        );
        PERFORM write_audit(NEW.merchant_id, 'webhook', NEW.id, TG_OP, before, after);
    ELSE
        PERFORM write_audit(OLD.merchant_id, 'webhook', OLD.id, TG_OP, before, after);
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER webhooks_audit AFTER INSERT OR DELETE ON webhooks FOR EACH ROW
    EXECUTE FUNCTION audit_webhooks();
CREATE TRIGGER webhooks_audit_update AFTER UPDATE ON webhooks FOR EACH ROW
    WHEN ((NEW.id, NEW.merchant_id, NEW.event_types, NEW.url, NEW.is_active, NEW.secret, NEW.disabled_reason, NEW.version, NEW.created_at, NEW.updated_at) IS DISTINCT FROM (OLD.id, OLD.merchant_id, OLD.event_types, OLD.url, OLD.is_active, OLD.secret, OLD.disabled_reason, OLD.version, OLD.created_at, OLD.updated_at))
    EXECUTE FUNCTION audit_webhooks();
REVOKE ALL ON FUNCTION audit_merchants(), audit_api_keys(), audit_message_templates(), audit_template_versions(), audit_media_files(), audit_products(), audit_product_media(), audit_orders(), audit_payments(), audit_delivery_tasks(), audit_messages(), audit_webhooks() FROM PUBLIC;
