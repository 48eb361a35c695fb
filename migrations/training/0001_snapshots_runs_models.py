"""Snapshots, runs and models; which moves between states are allowed is data, and the server enforces it."""

from alembic import op

revision = "training_0001"
down_revision = None


def upgrade() -> None:
    op.execute(
        """
        create table allowed_move (
            subject    text not null,
            from_state text not null,
            to_state   text not null,
            primary key (subject, from_state, to_state)
        );
        insert into allowed_move (subject, from_state, to_state) values
            ('run', 'queued',     'running'),
            ('run', 'queued',     'cancelled'),
            ('run', 'running',    'done'),
            ('run', 'running',    'failed'),
            ('run', 'running',    'cancelled'),
            ('run', 'running',    'cancelling'),
            ('run', 'running',    'queued'),
            ('run', 'cancelling', 'cancelled'),
            ('model', 'registered',  'candidate'),
            ('model', 'registered',  'rejected'),
            ('model', 'registered',  'quarantined'),
            ('model', 'candidate',   'champion'),
            ('model', 'candidate',   'quarantined'),
            ('model', 'champion',    'retired'),
            ('model', 'champion',    'rolled_back'),
            ('model', 'champion',    'quarantined'),
            ('model', 'retired',     'champion'),
            ('model', 'retired',     'quarantined'),
            ('model', 'rolled_back', 'champion'),
            ('model', 'rolled_back', 'quarantined'),
            ('model', 'rejected',    'quarantined');

        create table snapshot (
            snapshot_id text        primary key,
            created_at  timestamptz not null default now(),
            rows        bigint      not null,
            listeners   bigint      not null,
            recordings  bigint      not null,
            artists     bigint      not null,
            feed_cursor text        not null,
            bytes       bigint      not null
        );
        create table run (
            run_id       uuid             primary key,
            kind         text             not null check (kind in ('recordings', 'artists')),
            state        text             not null,
            progress     double precision not null default 0,
            step         text             not null default 'waiting',
            attempt      integer          not null default 0,
            snapshot_id  text,
            model_id     uuid,
            parameters   jsonb            not null default '{}',
            created_at   timestamptz      not null default now(),
            started_at   timestamptz,
            ended_at     timestamptz,
            heartbeat_at timestamptz,
            rung_at      timestamptz,
            error        text
        );
        create unique index run_active on run (kind) where state in ('queued', 'running', 'cancelling');
        create index run_newest on run (created_at);
        create table model (
            model_id    uuid        primary key,
            kind        text        not null check (kind in ('recordings', 'artists')),
            number      integer     not null,
            state       text        not null,
            sha256      text        not null,
            bytes       bigint      not null,
            metrics     jsonb       not null,
            run_id      uuid,
            snapshot_id text,
            created_at  timestamptz not null default now(),
            promoted_at timestamptz,
            constraint model_number unique (kind, number),
            constraint model_bytes  unique (kind, sha256)
        );
        create unique index model_champion on model (kind) where state = 'champion';
        create index model_sha256 on model (sha256);

        create function check_move() returns trigger language plpgsql set search_path from current as $$
        begin
            if tg_op = 'INSERT' then
                if new.state <> tg_argv[1] then
                    raise exception 'a new % is %, not %', tg_argv[0], tg_argv[1], new.state
                        using errcode = 'check_violation';
                end if;
            elsif new.state <> old.state and not exists (
                select from allowed_move
                where subject = tg_argv[0] and from_state = old.state and to_state = new.state
            ) then
                raise exception 'a % does not move from % to %', tg_argv[0], old.state, new.state
                    using errcode = 'check_violation';
            end if;
            return new;
        end
        $$;
        create trigger run_move before insert or update of state on run
            for each row execute function check_move('run', 'queued');
        create trigger model_move before insert or update of state on model
            for each row execute function check_move('model', 'registered');

        do $$
        begin
            -- the states' rules change by migrations only
            execute format(
                'revoke insert, update, delete on allowed_move from %I', replace(current_user, '_migrate', '_app')
            );
        end
        $$;

        create table event (
            position bigint generated by default as identity primary key,
            xid      xid8        not null default pg_current_xact_id(),
            at       timestamptz not null default now(),
            payload  jsonb       not null
        );
        create index event_order on event (xid, position);
        create table event_generation (generation integer primary key);
        insert into event_generation values (1);
        """
    )


def downgrade() -> None:
    op.execute("drop table allowed_move, snapshot, run, model, event, event_generation; drop function check_move()")
