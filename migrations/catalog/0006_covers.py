"""Covers that are fetched from the Cover Art Archive, where an administrator allows it."""

from alembic import op

revision = "catalog_0006"
down_revision = "catalog_0005"


def upgrade() -> None:
    op.execute(
        """
        create table cover_source (
            key          uuid primary key,
            release_mbid uuid not null
        );
        create table cover (
            release_mbid uuid primary key,
            content_type text,
            content      bytea,
            asked_at     timestamptz not null,
            due_at       timestamptz
        );
        alter table cover alter column content set storage external;
        create index ix_cover_due_at on cover (due_at);
        """
    )


def downgrade() -> None:
    op.execute("drop table cover, cover_source")
