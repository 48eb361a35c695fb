"""Playlists with their entries as one value; a generated one exists once a week (a null week is not compared)."""

from alembic import op

revision = "playlists_0001"
down_revision = None


def upgrade() -> None:
    op.execute(
        """
        create table playlist (
            playlist_id uuid primary key,
            owner_id    uuid        not null,
            name        text        not null,
            description text        not null default '',
            is_public   boolean     not null default false,
            kind        text        not null default 'manual',
            week        text,
            entries     jsonb       not null default '[]',
            created_at  timestamptz not null,
            updated_at  timestamptz not null,
            revision    integer     not null default 1,
            constraint playlist_once_a_week unique (owner_id, kind, week)
        );
        create table feed_cursor (name text primary key, cursor text not null);
        """
    )


def downgrade() -> None:
    op.execute("drop table playlist, feed_cursor")
