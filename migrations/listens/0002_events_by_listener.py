"""Find a person's events without reading the whole log: erasing removes them, writing asks whether they were erased."""

from alembic import op

revision = "listens_0002"
down_revision = "listens_0001"

INDEXES = {
    "event_listener": "event ((payload->>'listener_id'))",
    "event_forgotten": "event ((payload->>'listener_id')) where payload->>'type' = 'listener_forgotten'",
}


def upgrade() -> None:
    with op.get_context().autocommit_block():
        # waits for the transactions that were there before it, however long; it blocks nobody meanwhile
        op.execute("set lock_timeout = 0")
        for name, of in INDEXES.items():
            op.execute(f"drop index concurrently if exists {name}")  # of an upgrade that was broken off
            op.execute(f"create index concurrently {name} on {of}")
        op.execute("set lock_timeout = '5s'")


def downgrade() -> None:
    for name in INDEXES:
        op.execute(f"drop index {name}")
