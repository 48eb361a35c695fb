"""Rolling models out: shadow and canary, experiments with their daily sums, and the keys that are trusted."""

from alembic import op

revision = "training_0004"
down_revision = "training_0003"


def upgrade() -> None:
    op.execute(
        """
        insert into allowed_move (subject, from_state, to_state) values
            ('model', 'candidate',   'shadow'),
            ('model', 'candidate',   'canary'),
            ('model', 'shadow',      'candidate'),
            ('model', 'shadow',      'canary'),
            ('model', 'shadow',      'champion'),
            ('model', 'shadow',      'quarantined'),
            ('model', 'canary',      'candidate'),
            ('model', 'canary',      'champion'),
            ('model', 'canary',      'rolled_back'),
            ('model', 'canary',      'quarantined'),
            ('model', 'retired',     'shadow'),
            ('model', 'retired',     'canary'),
            ('model', 'rolled_back', 'shadow'),
            ('model', 'rolled_back', 'canary'),
            ('experiment', 'running', 'promoted'),
            ('experiment', 'running', 'rolled_back'),
            ('experiment', 'running', 'stopped');

        create table experiment (
            experiment_id    uuid             primary key,
            kind             text             not null check (kind in ('recordings', 'artists')),
            mode             text             not null check (mode in ('shadow', 'canary', 'ab')),
            state            text             not null,
            control_id       uuid             not null,
            treatment_id     uuid             not null check (treatment_id <> control_id),
            share            double precision not null check (share >= 0 and share <= 1),
            salt             text             not null,
            alpha            double precision not null check (alpha > 0 and alpha < 0.5),
            min_days         integer          not null,
            min_listeners    integer          not null,
            promotes_itself  boolean          not null,
            verdict          text             not null default 'undecided',
            reason           text             not null default '',
            started_at       timestamptz      not null default now(),
            ended_at         timestamptz
        );
        create unique index experiment_running on experiment (kind) where state = 'running';
        create trigger experiment_move before insert or update of state on experiment
            for each row execute function check_move('experiment', 'running');

        create table experiment_day (
            experiment_id uuid             not null,
            day           date             not null,
            control       jsonb            not null,
            treatment     jsonb            not null,
            effect        double precision,
            low           double precision,
            high          double precision,
            primary key (experiment_id, day)
        );

        create table trusted_key (
            key_id     text        primary key,
            public_key text        not null,
            name       text        not null,
            added_at   timestamptz not null default now()
        );
        """
    )


def downgrade() -> None:
    op.execute(
        """
        drop table experiment, experiment_day, trusted_key;
        delete from allowed_move where subject = 'experiment' or 'shadow' in (from_state, to_state)
                                    or 'canary' in (from_state, to_state);
        """
    )
