"""What plays now, marks of outside importers, and imports with where each listen came from."""

from alembic import op

revision = "listens_0003"
down_revision = "listens_0002"


def upgrade() -> None:
    op.execute(
        """
        create table playing_now (
            listener_id   uuid        primary key,
            recording_key uuid        not null,
            artist_key    uuid        not null,
            artist        text        not null,
            title         text        not null,
            release       text,
            duration_ms   integer,
            client        text        not null,
            extra         jsonb,
            started_at    timestamptz not null,
            until         timestamptz not null
        );
        create table import_mark (
            listener_id uuid        not null,
            source      text        not null,
            at          timestamptz not null,
            primary key (listener_id, source)
        );
        create table import_run (
            import_id    uuid        primary key,
            listener_id  uuid        not null,
            filename     text        not null,
            format       text        not null,
            timezone     text        not null,
            size         bigint      not null,
            state        text        not null,
            handled      bigint      not null default 0,
            progress     real        not null default 0,
            counts       jsonb       not null default '{}',
            preview      jsonb,
            report_bytes bigint      not null default 0,
            playlists    uuid[]      not null default '{}',
            error        text,
            created_at   timestamptz not null,
            changed_at   timestamptz not null,
            constraint import_run_state check (state in ('uploading', 'examining', 'ready', 'running', 'done',
                                                         'cancelled', 'failed', 'undoing', 'undone'))
        );
        create index import_run_listener on import_run (listener_id, created_at);
        create index import_run_waiting on import_run (created_at) where state in ('examining', 'running', 'undoing');
        alter table listen add column import_id uuid;
        alter table feedback add column import_id uuid;
        alter table event add column weight integer not null default 1;
        -- a row of hundreds of listens takes longer to compress by the old method than to store
        do $$ begin
            alter table event alter column payload set compression lz4;
        exception when feature_not_supported then null;
        end $$;
        """
    )
    with op.get_context().autocommit_block():
        # waits for the transactions that were there before it, however long; it blocks nobody meanwhile
        op.execute("set lock_timeout = 0")
        op.execute("drop index concurrently if exists listen_import")
        op.execute("create index concurrently listen_import on listen (import_id) where import_id is not null")
        op.execute("set lock_timeout = '5s'")


def downgrade() -> None:
    op.execute(
        """
        alter table event drop column weight;
        alter table listen drop column import_id;
        alter table feedback drop column import_id;
        drop table playing_now, import_mark, import_run;
        """
    )
