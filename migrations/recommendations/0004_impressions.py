"""What was shown to whom, so that what is ignored again and again steps back, and experiments can be counted."""

from alembic import op

revision = "recommendations_0004"
down_revision = "recommendations_0003"


def upgrade() -> None:
    op.execute(
        """
        create table impression (
            listener_id uuid        not null,
            kind        text        not null,
            key         uuid        not null,
            shelf       text        not null,
            day         date        not null,
            model       text        not null,
            arm         text,
            shown_at    timestamptz not null,
            primary key (listener_id, kind, key, shelf, day)
        );
        create index impression_day on impression (day);
        """
    )


def downgrade() -> None:
    op.execute("drop table impression")
