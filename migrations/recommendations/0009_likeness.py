"""How described recordings sound and what they are called, and which of those played here each is alike to."""

from alembic import op

revision = "recommendations_0009"
down_revision = "recommendations_0008"


def upgrade() -> None:
    op.execute("set local lock_timeout = '5s'")
    op.execute(
        """
        alter table description
            add column audio real[], add column title text, add column artist text, add column artist_key uuid;
        create table likeness (
            key     uuid    primary key,
            near    uuid[]  not null,
            weights real[]  not null,
            is_new  boolean not null
        );
        create index likeness_near on likeness using gin (near) where is_new;
        create table likeness_fit (
            is_only   boolean          primary key default true check (is_only),
            seen      text             not null,
            fitted_at timestamptz      not null,
            took_s    double precision not null
        );
        """
    )


def downgrade() -> None:
    op.execute(
        """
        drop table likeness, likeness_fit;
        alter table description drop column audio, drop column title, drop column artist, drop column artist_key;
        """
    )
