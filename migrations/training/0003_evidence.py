"""What speaks for a model is kept: the log of moves and runs, checks of data, drift, evaluations, gates, schedules."""

from alembic import op

revision = "training_0003"
down_revision = "training_0002"


def upgrade() -> None:
    op.execute(
        """
        alter table snapshot
            add column schema_version integer not null default 1,
            add column files          integer not null default 0,
            add column new_bytes      bigint  not null default 0;

        alter table run
            add column cause         text  not null default 'asked',
            add column parent_run_id uuid,
            add column reproduces    uuid,
            add column record        jsonb not null default '{}',
            add column resources     jsonb not null default '{}';
        create unique index run_under_way on run (kind)
            where state in ('queued', 'running', 'cancelling') and parent_run_id is null;
        drop index run_active;
        create index run_children on run (parent_run_id) where parent_run_id is not null;

        create table run_log (
            position bigint generated always as identity primary key,
            run_id   uuid        not null,
            at       timestamptz not null default clock_timestamp(),
            message  text        not null
        );
        create index run_log_of on run_log (run_id, position);

        create table transition (
            position   bigint generated always as identity primary key,
            subject    text        not null,
            subject_id uuid        not null,
            from_state text,
            to_state   text        not null,
            at         timestamptz not null default clock_timestamp(),
            actor      text        not null,
            reason     text        not null
        );
        create index transition_of on transition (subject_id, position);

        create function note_move() returns trigger language plpgsql set search_path from current as $$
        begin
            if tg_op = 'INSERT' or new.state <> old.state then
                insert into transition (subject, subject_id, from_state, to_state, actor, reason)
                values (
                    tg_argv[0],
                    case tg_argv[0] when 'run' then cast(to_jsonb(new)->>'run_id' as uuid)
                                    else cast(to_jsonb(new)->>'model_id' as uuid) end,
                    case when tg_op = 'UPDATE' then old.state end,
                    new.state,
                    coalesce(current_setting('segue.actor', true), ''),
                    coalesce(current_setting('segue.reason', true), '')
                );
            end if;
            return null;
        end
        $$;
        create trigger run_moved after insert or update of state on run
            for each row execute function note_move('run');
        create trigger model_moved after insert or update of state on model
            for each row execute function note_move('model');
        do $$
        begin
            execute format(
                'revoke update, delete, truncate on transition from %I', replace(current_user, '_migrate', '_app')
            );
        end
        $$;

        create table data_check (
            snapshot_id text             not null,
            name        text             not null,
            level       text             not null check (level in ('ok', 'warn', 'stop')),
            value       double precision,
            limit_      double precision,
            message     text             not null,
            primary key (snapshot_id, name)
        );
        create table drift (
            snapshot_id text             not null,
            against_id  text             not null,
            feature     text             not null,
            psi         double precision not null,
            limit_      double precision not null,
            n           bigint           not null,
            at          timestamptz      not null default now(),
            primary key (snapshot_id, against_id, feature)
        );
        create table evaluation (
            run_id    uuid             not null,
            subject   text             not null,
            cohort    text             not null,
            metric    text             not null,
            value     double precision not null,
            low       double precision,
            high      double precision,
            listeners integer          not null,
            primary key (run_id, subject, cohort, metric)
        );
        create table gate_decision (
            model_id  uuid        not null,
            run_id    uuid        not null,
            is_passed boolean     not null,
            results   jsonb       not null,
            at        timestamptz not null default now(),
            primary key (model_id, run_id)
        );
        create table schedule (
            kind               text    primary key check (kind in ('recordings', 'artists')),
            is_enabled         boolean not null default true,
            nightly_minute     integer check (nightly_minute between 0 and 1439),
            new_share          double precision check (new_share > 0),
            on_drift           boolean not null default true,
            prefers_low_carbon boolean not null default false,
            considered_at      timestamptz,
            decision           text    not null default ''
        );
        insert into schedule (kind, nightly_minute, new_share) values ('recordings', 180, 0.05), ('artists', 190, 0.05);
        """
    )


def downgrade() -> None:
    op.execute(
        """
        drop table schedule, gate_decision, evaluation, drift, data_check, run_log;
        drop trigger run_moved on run;
        drop trigger model_moved on model;
        drop function note_move();
        drop table transition;
        create unique index run_active on run (kind)
            where state in ('queued', 'running', 'cancelling') and parent_run_id is null;
        drop index run_under_way;
        alter table run drop column cause, drop column parent_run_id, drop column reproduces, drop column record,
                        drop column resources;
        alter table snapshot drop column schema_version, drop column files, drop column new_bytes;
        """
    )
