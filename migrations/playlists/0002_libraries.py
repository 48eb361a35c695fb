"""Library connections: a listener's own server, the songs in it, and what playlists became there."""

from alembic import op

revision = "playlists_0002"
down_revision = "playlists_0001"


def upgrade() -> None:
    op.execute(
        """
        create table library (
            listener_id    uuid primary key,
            library_id     uuid        not null,
            address        text        not null,
            user_name      text        not null,
            credential     bytea       not null,
            sign_in        text        not null,
            server         text        not null default '',
            songs          integer     not null default 0,
            read           integer,
            known          integer     not null default 0,
            played         integer     not null default 0,
            synced_at      timestamptz,
            next_sync_at   timestamptz not null,
            failures       integer     not null default 0,
            error          text        not null default '',
            pushes_weekly  boolean     not null default false,
            next_push_at   timestamptz not null,
            push_failures  integer     not null default 0,
            weekly_error   text        not null default ''
        );
        create index library_next_sync on library (next_sync_at);
        create index library_next_push on library (next_push_at) where pushes_weekly;
        create table song (
            listener_id   uuid not null references library on delete cascade,
            song_id       text not null,
            recording_key uuid not null,
            loose_key     uuid not null,
            mbid          uuid,
            artist        text not null,
            title         text not null,
            album         text,
            duration_s    integer,
            path          text,
            primary key (listener_id, song_id)
        );
        create index song_recording on song (listener_id, recording_key);
        create index song_loose on song (listener_id, loose_key);
        create index song_mbid on song (listener_id, mbid) where mbid is not null;
        create table push (
            listener_id uuid        not null references library on delete cascade,
            playlist_id uuid        not null references playlist on delete cascade,
            remote_id   text,
            matched     integer     not null,
            total       integer     not null,
            unmatched   jsonb       not null default '[]',
            pushed_at   timestamptz not null,
            primary key (listener_id, playlist_id)
        );
        create index push_playlist on push (playlist_id);
        """
    )


def downgrade() -> None:
    op.execute("drop table push, song, library")
