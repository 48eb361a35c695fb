"""Profiles and items as the feed of listens tells them, and the models that serve."""

from alembic import op

revision = "recommendations_0001"
down_revision = None


def upgrade() -> None:
    op.execute(
        """
        create table profile_item (
            listener_id uuid     not null,
            kind        text     not null,
            key         uuid     not null,
            plays       bigint   not null,
            playcount   bigint   not null,
            value       smallint not null,
            last_at     timestamptz,
            primary key (listener_id, kind, key)
        );
        create table item (
            kind       text   not null,
            key        uuid   not null,
            title      text   not null,
            artist     text   not null,
            artist_key uuid   not null,
            listeners  bigint not null,
            primary key (kind, key)
        );
        create index item_popular on item (kind, listeners desc, key);
        create index item_artist on item (artist_key) where kind = 'recordings';
        create table champion (
            kind     text primary key,
            model_id uuid not null,
            sha256   text not null
        );
        create table feed_cursor (name text primary key, cursor text not null);
        """
    )


def downgrade() -> None:
    op.execute("drop table profile_item, item, champion, feed_cursor")
