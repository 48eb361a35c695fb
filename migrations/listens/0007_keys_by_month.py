"""Keys beside the plays of a month: what is counted by key needs no look at each item. The roll-ups fill again."""

from alembic import op

revision = "listens_0007"
down_revision = "listens_0006"


def upgrade() -> None:
    op.execute(
        """
        truncate item_total, item_month, quarter_hour;
        delete from feed_cursor where name = 'rollups';
        alter table item_month
            add column recording_key uuid not null,
            add column release_key   uuid not null,
            add column artist_key    uuid not null;
        """
    )


def downgrade() -> None:
    op.execute("alter table item_month drop column recording_key, drop column release_key, drop column artist_key")
