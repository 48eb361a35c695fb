"""What is tried beside the champion, who serves what, how models answer, and what came of what was shown."""

from alembic import op

revision = "recommendations_0008"
down_revision = "recommendations_0007"


def upgrade() -> None:
    op.execute(
        """
        alter table champion add column previous_sha256 text, add column trial jsonb;
        alter table impression
            add column clicked_at timestamptz,
            add column played_at  timestamptz,
            add column opinion    smallint;
        create table trusted_key (key_id text primary key, public_key text not null);
        create table served_by (
            process   text             not null,
            kind      text             not null,
            sha256    text             not null,
            since     timestamptz      not null,
            opened_ms double precision not null,
            seen_at   timestamptz      not null,
            primary key (process, kind)
        );
        create table model_answers (
            sha256     text             not null,
            at         timestamptz      not null,
            answers    bigint           not null,
            errors     bigint           not null,
            empties    bigint           not null,
            within     bigint[]         not null,
            shadowed   bigint           not null,
            overlap    double precision not null,
            primary key (sha256, at)
        );
        create index model_answers_at on model_answers (at);
        """
    )


def downgrade() -> None:
    op.execute(
        """
        drop table trusted_key, served_by, model_answers;
        alter table impression drop column clicked_at, drop column played_at, drop column opinion;
        alter table champion drop column previous_sha256, drop column trial;
        """
    )
