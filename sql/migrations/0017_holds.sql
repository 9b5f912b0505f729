-- Stock, and holds on it that expire.
--
-- Who counts: reserve_item, commit_reservation, release_reservation and cleanup-reservations move an
-- item's figures themselves, and say so by the setting cronward.holds (not in a SET clause, which only a
-- superuser could migrate); what anybody else writes is counted by triggers.  Where a table is an
-- application's own that was adopted, it counts itself, and there are no such triggers.  Who needs both
-- rows locks the hold first, then the item.

CREATE TABLE IF NOT EXISTS inventory_items (
	id uuid PRIMARY KEY DEFAULT cronward_uuid(),
	sku text UNIQUE,
	on_hand integer NOT NULL DEFAULT 0 CHECK (on_hand >= 0),
	reserved integer NOT NULL DEFAULT 0 CHECK (reserved >= 0)
) WITH (fillfactor = 70);
COMMENT ON COLUMN inventory_items.on_hand IS 'pieces that are there; a hold that is committed takes its own away';
COMMENT ON COLUMN inventory_items.reserved IS 'the sum of its active holds; on_hand - reserved can be promised to others';

CREATE TABLE IF NOT EXISTS inventory_reservations (
	id uuid PRIMARY KEY DEFAULT cronward_uuid(),
	item_id uuid NOT NULL REFERENCES inventory_items (id),
	quantity integer NOT NULL CHECK (quantity > 0),
	status text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'committed', 'released', 'expired')),
	expires_at timestamptz NOT NULL DEFAULT now() + interval '15 minutes',
	created_at timestamptz NOT NULL DEFAULT now(),
	ended_at timestamptz
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000);
COMMENT ON COLUMN inventory_reservations.status IS 'active, or how it ended: committed (sold), released (given back), expired';
CREATE INDEX IF NOT EXISTS inventory_reservations_active ON inventory_reservations (expires_at, id) WHERE status = 'active';
CREATE INDEX IF NOT EXISTS inventory_reservations_of_item ON inventory_reservations (item_id, expires_at) INCLUDE (quantity) WHERE status = 'active';
CREATE INDEX IF NOT EXISTS inventory_reservations_age ON inventory_reservations (created_at, id) WHERE status <> 'active';

-- What shops call --------------------------------------------------------------------------------------

-- Takes ${quantity} pieces of an item for ${minutes}: the hold's id.  Never more than is left, however
-- many ask at once.  CW400: a figure out of range; CW404: no such item; CW409: too few are left.
CREATE OR REPLACE FUNCTION reserve_item(item uuid, quantity integer, minutes integer DEFAULT 15) RETURNS uuid
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
	stock inventory_items;
	asked bigint := reserve_item.quantity;
	over bigint;
	hold uuid;
BEGIN
	IF asked IS NULL OR asked < 1 THEN
		RAISE EXCEPTION 'quantity is %, allowed is 1 or more', COALESCE(asked::text, 'NULL') USING ERRCODE = 'CW400';
	ELSIF minutes IS NULL OR minutes NOT BETWEEN 1 AND 525600 THEN
		RAISE EXCEPTION 'minutes is %, allowed is 1 to 525600 (a year)', COALESCE(minutes::text, 'NULL') USING ERRCODE = 'CW400';
	END IF;
	SELECT * INTO stock FROM inventory_items WHERE id = item FOR NO KEY UPDATE;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'there is no item %', COALESCE(item::text, 'NULL') USING ERRCODE = 'CW404';
	END IF;
	PERFORM set_config('cronward.holds', 'counted', true);
	-- Nobody is refused for the sake of holds that are over and that the cleaner has not come to yet.
	IF COALESCE(stock.on_hand, 0) - COALESCE(stock.reserved, 0) < asked THEN
		WITH late AS MATERIALIZED (
			SELECT id FROM inventory_reservations
			 WHERE item_id = item AND status = 'active' AND expires_at <= (SELECT clock_timestamp())
			   FOR NO KEY UPDATE SKIP LOCKED
		), ended AS (
			UPDATE inventory_reservations SET status = 'expired', ended_at = clock_timestamp()
			 WHERE id = ANY (ARRAY(SELECT id FROM late)) RETURNING quantity
		)
		SELECT COALESCE(sum(quantity), 0) INTO over FROM ended;
		stock.reserved := GREATEST(COALESCE(stock.reserved, 0) - over, 0);
	END IF;
	IF COALESCE(stock.on_hand, 0) - COALESCE(stock.reserved, 0) < asked THEN
		RAISE EXCEPTION 'of item % there are % left, % were asked for', COALESCE(stock.sku, item::text),
			GREATEST(COALESCE(stock.on_hand, 0) - COALESCE(stock.reserved, 0), 0), asked USING ERRCODE = 'CW409';
	END IF;
	UPDATE inventory_items SET reserved = COALESCE(stock.reserved, 0) + asked WHERE id = item;
	INSERT INTO inventory_reservations (item_id, quantity, expires_at)
	VALUES (item, asked, clock_timestamp() + make_interval(mins => minutes)) RETURNING id INTO hold;
	PERFORM set_config('cronward.holds', '', true);
	RETURN hold;
END
$$;
COMMENT ON FUNCTION reserve_item IS 'holds pieces of an item for some minutes, never more than are left: the hold''s id';

-- Sells what a hold keeps: its pieces leave the stock.  True: now; false: it was committed before.
-- CW404: no such hold; CW409: it was released or its time is over, and others may have its pieces.
CREATE OR REPLACE FUNCTION commit_reservation(reservation uuid) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
	hold inventory_reservations;
	stock inventory_items;
BEGIN
	SELECT * INTO hold FROM inventory_reservations WHERE id = reservation FOR NO KEY UPDATE;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'there is no hold %', COALESCE(reservation::text, 'NULL') USING ERRCODE = 'CW404';
	ELSIF hold.status = 'committed' THEN
		RETURN false;
	ELSIF hold.status = 'released' THEN
		RAISE EXCEPTION 'hold % was released, its % pieces are given back', reservation, hold.quantity USING ERRCODE = 'CW409';
	ELSIF hold.status <> 'active' OR hold.expires_at <= clock_timestamp() THEN
		RAISE EXCEPTION 'hold % of % pieces expired at %', reservation, hold.quantity, hold.expires_at
			USING ERRCODE = 'CW409', HINT = 'reserve again';
	END IF;
	SELECT * INTO stock FROM inventory_items WHERE id = hold.item_id FOR NO KEY UPDATE;
	IF COALESCE(stock.on_hand, 0) < hold.quantity THEN
		RAISE EXCEPTION 'of item % there are only % on hand, hold % is of %', COALESCE(stock.sku, hold.item_id::text),
			COALESCE(stock.on_hand, 0), reservation, hold.quantity USING ERRCODE = 'CW409';
	END IF;
	PERFORM set_config('cronward.holds', 'counted', true);
	UPDATE inventory_items SET on_hand = on_hand - hold.quantity, reserved = GREATEST(reserved - hold.quantity, 0)
	 WHERE id = hold.item_id;
	UPDATE inventory_reservations SET status = 'committed', ended_at = clock_timestamp() WHERE id = reservation;
	PERFORM set_config('cronward.holds', '', true);
	RETURN true;
END
$$;
COMMENT ON FUNCTION commit_reservation IS 'sells what a hold keeps; false where it was committed before, an error where it is over';

-- Gives back what a hold keeps.  True: now; false: it was given back or had expired before.
-- CW404: no such hold; CW409: it was committed.
CREATE OR REPLACE FUNCTION release_reservation(reservation uuid) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
	hold inventory_reservations;
BEGIN
	SELECT * INTO hold FROM inventory_reservations WHERE id = reservation FOR NO KEY UPDATE;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'there is no hold %', COALESCE(reservation::text, 'NULL') USING ERRCODE = 'CW404';
	ELSIF hold.status = 'committed' THEN
		RAISE EXCEPTION 'hold % was committed, its % pieces are sold', reservation, hold.quantity USING ERRCODE = 'CW409';
	ELSIF hold.status <> 'active' THEN
		RETURN false;
	END IF;
	PERFORM set_config('cronward.holds', 'counted', true);
	UPDATE inventory_items SET reserved = GREATEST(reserved - hold.quantity, 0) WHERE id = hold.item_id;
	UPDATE inventory_reservations SET status = 'released', ended_at = clock_timestamp() WHERE id = reservation;
	PERFORM set_config('cronward.holds', '', true);
	RETURN true;
END
$$;
COMMENT ON FUNCTION release_reservation IS 'gives back what a hold keeps; false where that was done before, an error where it is committed';

-- Rows that the application writes itself ---------------------------------------------------------------

-- A hold that ended does not come back: its pieces may be others' by now.
CREATE OR REPLACE FUNCTION cronward_hold_ends() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF OLD.status <> 'active' THEN
		RAISE EXCEPTION 'hold % of % pieces is %, it cannot become %', OLD.id, OLD.quantity, OLD.status, NEW.status
			USING ERRCODE = 'CW409', HINT = 'reserve again';
	END IF;
	NEW.ended_at := clock_timestamp();
	RETURN NEW;
END
$$;
CREATE OR REPLACE TRIGGER inventory_reservations_end BEFORE UPDATE ON inventory_reservations
	FOR EACH ROW WHEN ((OLD.status IN ('expired', 'released') AND NEW.status IN ('active', 'committed'))
		OR (OLD.status = 'active' AND NEW.status <> 'active' AND NEW.ended_at IS NULL))
	EXECUTE FUNCTION cronward_hold_ends();

-- What an item's active holds keep, for those who hold its lock.
CREATE OR REPLACE FUNCTION cronward_held(item uuid) RETURNS integer LANGUAGE sql STABLE AS $$
	SELECT COALESCE(sum(quantity), 0)::integer FROM inventory_reservations WHERE item_id = item AND status = 'active'
$$;

-- Counts items anew, in the order of their ids, as the cleaner does.
CREATE OR REPLACE FUNCTION cronward_stock_count(items uuid[]) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
	PERFORM FROM inventory_items WHERE id = ANY (items) ORDER BY id FOR NO KEY UPDATE;
	PERFORM set_config('cronward.holds', 'counted', true);
	UPDATE inventory_items SET reserved = cronward_held(id) WHERE id = ANY (items) AND reserved <> cronward_held(id);
	PERFORM set_config('cronward.holds', '', true);
END
$$;

CREATE OR REPLACE FUNCTION cronward_holds_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF current_setting('cronward.holds', true) = 'counted' THEN
		RETURN NULL;
	ELSIF TG_OP = 'INSERT' THEN
		PERFORM cronward_stock_count(ARRAY(SELECT item_id FROM now_rows WHERE status = 'active'));
	ELSIF TG_OP = 'DELETE' THEN
		PERFORM cronward_stock_count(ARRAY(SELECT item_id FROM old_rows WHERE status = 'active'));
	ELSE
		PERFORM cronward_stock_count(ARRAY(
			SELECT item_id FROM old_rows WHERE status = 'active' UNION SELECT item_id FROM now_rows WHERE status = 'active'));
		-- What was sold is there no longer.
		UPDATE inventory_items i SET on_hand = i.on_hand - s.sold
		  FROM (SELECT n.item_id, sum(n.quantity) AS sold FROM old_rows o JOIN now_rows n USING (id)
		         WHERE o.status = 'active' AND n.status = 'committed' GROUP BY n.item_id) s
		 WHERE i.id = s.item_id;
	END IF;
	RETURN NULL;
END
$$;

-- Figures that somebody writes who counts himself: reserved is what the holds say, in whatever order he
-- writes; and who takes the same number off both sells a hold, which has taken or will take its own.
CREATE OR REPLACE FUNCTION cronward_stock_changes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF current_setting('cronward.holds', true) = 'counted' THEN
		RETURN NEW;
	END IF;
	IF OLD.on_hand - NEW.on_hand = OLD.reserved - NEW.reserved AND NEW.on_hand < OLD.on_hand THEN
		NEW.on_hand := OLD.on_hand;
	END IF;
	NEW.reserved := cronward_held(NEW.id);
	RETURN NEW;
END
$$;

DO $$
BEGIN
	IF ARRAY['inventory_items', 'inventory_reservations'] &&
	   (COALESCE(NULLIF(current_setting('cronward.adopting', true), ''), '{}')::text[] || ARRAY(SELECT a.name FROM cronward_adopted a)) THEN
		RETURN;
	END IF;
	CREATE OR REPLACE TRIGGER inventory_reservations_come AFTER INSERT ON inventory_reservations
		REFERENCING NEW TABLE AS now_rows FOR EACH STATEMENT EXECUTE FUNCTION cronward_holds_change();
	CREATE OR REPLACE TRIGGER inventory_reservations_change AFTER UPDATE ON inventory_reservations
		REFERENCING OLD TABLE AS old_rows NEW TABLE AS now_rows FOR EACH STATEMENT EXECUTE FUNCTION cronward_holds_change();
	CREATE OR REPLACE TRIGGER inventory_reservations_go AFTER DELETE ON inventory_reservations
		REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION cronward_holds_change();
	CREATE OR REPLACE TRIGGER inventory_items_change BEFORE UPDATE ON inventory_items
		FOR EACH ROW WHEN (NEW.reserved <> OLD.reserved) EXECUTE FUNCTION cronward_stock_changes();
END
$$;

-- Whose rights ------------------------------------------------------------------------------------------

-- Whoever writes holds needs no rights to the stock, nor he who counts stock to the holds.
DO $$
DECLARE name text;
BEGIN
	FOREACH name IN ARRAY ARRAY['cronward_hold_ends', 'cronward_holds_change', 'cronward_stock_changes'] LOOP
		EXECUTE format('ALTER FUNCTION %I() SECURITY DEFINER SET search_path = %I, pg_temp', name, current_schema());
		EXECUTE format('REVOKE EXECUTE ON FUNCTION %I() FROM PUBLIC', name);
	END LOOP;
END
$$;

-- As in 0011: Supabase grants every new table to those who come over the web, and from now on what
-- stands in email_queue is sent.  Who has made policies for it has said himself who may do that.
DO $$
DECLARE
	theirs text[] := COALESCE(NULLIF(current_setting('cronward.adopting', true), ''), '{}')::text[]
	              || ARRAY(SELECT a.name FROM cronward_adopted a);
	visitors text := (SELECT string_agg(quote_ident(rolname), ', ') FROM pg_roles WHERE rolname IN ('anon', 'authenticated'));
	name text;
BEGIN
	FOREACH name IN ARRAY ARRAY['email_queue', 'email_templates', 'inventory_items', 'inventory_reservations'] LOOP
		CONTINUE WHEN name = ANY (theirs) OR (SELECT relrowsecurity FROM pg_class WHERE oid = to_regclass(name));
		IF visitors IS NOT NULL THEN
			EXECUTE format('REVOKE ALL ON %I FROM %s', name, visitors);
		END IF;
		IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'service_role') THEN
			EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO service_role', name);
		END IF;
	END LOOP;
END
$$;
