"""The catalogue: 200,000 items, and the indexes that make them quick to find.

Revises: 0001
"""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

ITEMS = 200_000

# One noun a category, so that a name tells where the item belongs.
NOUNS = {
    "audio": "speaker", "bags": "backpack", "bakeware": "tin", "baskets": "basket",
    "bathroom": "mirror", "bedding": "blanket", "benches": "bench", "bicycles": "bicycle",
    "bottles": "bottle", "brushes": "brush", "chairs": "chair", "clocks": "clock",
    "cookware": "pan", "cutlery": "knife", "desks": "desk", "doors": "door",
    "drawers": "drawer", "fans": "fan", "frames": "frame", "garden": "spade",
    "glassware": "glass", "hooks": "hook", "kettles": "kettle", "keyboards": "keyboard",
    "lamps": "lamp", "linen": "towel", "mats": "mat", "notebooks": "notebook",
    "pens": "pen", "pottery": "bowl", "racks": "rack", "rugs": "rug",
    "shelves": "shelf", "sofas": "sofa", "stools": "stool", "tables": "table",
    "tools": "hammer", "toys": "kite", "trays": "tray", "vases": "vase",
}  # fmt: skip
STYLES = (
    "Amber", "Bold", "Bright", "Calm", "Classic", "Compact", "Cosy", "Crisp", "Curved", "Dark",
    "Delicate", "Dense", "Early", "Elegant", "Even", "Faded", "Fine", "Flat", "Fresh", "Gentle",
    "Glossy", "Grand", "Handy", "Heavy", "Honest", "Humble", "Light", "Little", "Long", "Lucky",
    "Mellow", "Modern", "Narrow", "Neat", "Noble", "Pale", "Plain", "Polished", "Quiet", "Rough",
)  # fmt: skip
MATERIALS = (
    "acacia", "aluminium", "ash", "bamboo", "beech", "birch", "brass", "bronze", "canvas",
    "cedar", "ceramic", "cherry", "clay", "copper", "cork", "cotton", "denim", "elm", "felt",
    "flax", "glass", "granite", "hemp", "iron", "jute", "larch", "leather", "linen", "maple",
    "marble", "oak", "pewter", "pine", "rattan", "silk", "slate", "steel", "teak", "walnut",
    "wool",
)  # fmt: skip


def _array(words: tuple[str, ...]) -> str:
    return "ARRAY[" + ", ".join(f"'{word}'" for word in words) + "]"


def upgrade() -> None:
    """Fill the table inside the server, then index it."""
    op.execute("SET LOCAL maintenance_work_mem = '128MB'")
    # Of nothing but this file's own constants.
    op.execute(
        f"""
        WITH words AS (
            SELECT {_array(tuple(NOUNS))} AS categories,
                   {_array(tuple(NOUNS.values()))} AS nouns,
                   {_array(STYLES)} AS styles,
                   {_array(MATERIALS)} AS materials
        ), drawn AS (
            -- spread evenly by a hash, and the same on every machine
            SELECT n,
                   1 + mod(hashint8(n)::bigint + 2147483648, 40)::int AS kind,
                   1 + mod(hashint8(n + 1000003)::bigint + 2147483648, 40)::int AS style,
                   1 + mod(hashint8(n + 2000003)::bigint + 2147483648, 40)::int AS material,
                   199 + mod(hashint8(n + 3000017)::bigint + 2147483648, 49800)::int AS price
            FROM generate_series(1::bigint, {ITEMS}) AS n
        )
        INSERT INTO items (sku, name, description, category, price_cents)
        SELECT 'SKU-' || lpad(n::text, 6, '0'),
               styles[style] || ' ' || materials[material] || ' ' || nouns[kind],
               'A ' || lower(styles[style]) || ' ' || nouns[kind] || ' made of '
                   || materials[material] || '. Finished by hand, checked twice, and sent in '
                   || 'a box that fits. Spare parts can be had for ten years.',
               categories[kind],
               price
        FROM drawn, words
        """  # noqa: S608  # nosec B608
    )
    op.create_unique_constraint("uq_items_sku", "items", ["sku"])
    op.create_index("ix_items_category_price", "items", ["category", "price_cents", "id"])
    op.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
    op.execute("CREATE INDEX ix_items_name_trigrams ON items USING gin (name gin_trgm_ops)")
    op.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
    op.execute("ANALYZE items")


def downgrade() -> None:
    """Empty the catalogue."""
    op.execute("DROP INDEX ix_items_name_trigrams")
    op.drop_index("ix_items_category_price", "items")
    op.drop_constraint("uq_items_sku", "items")
    op.execute("TRUNCATE items, orders")
