-- Stock, and holds on it that expire.

CREATE TABLE IF NOT EXISTS inventory_items (
	id uuid PRIMARY KEY DEFAULT cronward_uuid(),
	sku text UNIQUE,
	on_hand integer NOT NULL DEFAULT 0 CHECK (on_hand >= 0),
	reserved integer NOT NULL DEFAULT 0 CHECK (reserved >= 0)
);
COMMENT ON COLUMN inventory_items.reserved IS 'the sum of its active holds; on_hand - reserved can be promised to others';

CREATE TABLE IF NOT EXISTS inventory_reservations (
	id uuid PRIMARY KEY DEFAULT cronward_uuid(),
	item_id uuid NOT NULL REFERENCES inventory_items (id),
	quantity integer NOT NULL CHECK (quantity > 0),
	status text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'committed', 'released', 'expired')),
	expires_at timestamptz NOT NULL DEFAULT now() + interval '15 minutes',
	created_at timestamptz NOT NULL DEFAULT now(),
	ended_at timestamptz
);
CREATE INDEX IF NOT EXISTS inventory_reservations_active ON inventory_reservations (expires_at, id) WHERE status = 'active';
