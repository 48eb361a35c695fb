"""People who were erased leave every kept snapshot: their pseudonyms, and which snapshot came from which."""

from alembic import op

revision = "training_0002"
down_revision = "training_0001"


def upgrade() -> None:
    op.execute(
        """
        create table feed_cursor (name text primary key, cursor text not null);
        create table erasure (
            pseudonym  uuid        primary key,
            at         timestamptz not null default now(),
            is_applied boolean     not null default false
        );
        alter table snapshot add column parent_id text, add column reason text;
        create index snapshot_parent on snapshot (parent_id) where parent_id is not null;
        """
    )


def downgrade() -> None:
    op.execute("alter table snapshot drop column parent_id, drop column reason; drop table erasure, feed_cursor")
