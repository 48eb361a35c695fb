"""Who plays an artist: the index that finds listeners alike."""

from alembic import op

revision = "recommendations_0002"
down_revision = "recommendations_0001"


def upgrade() -> None:
    with op.get_context().autocommit_block():
        # waits for the transactions that were there before it, however long; it blocks nobody meanwhile
        op.execute("set lock_timeout = 0")
        op.execute("drop index concurrently if exists profile_item_artist")
        op.execute("create index concurrently profile_item_artist on profile_item (key) where kind = 'artists'")
        op.execute("set lock_timeout = '5s'")


def downgrade() -> None:
    op.execute("drop index profile_item_artist")
