"""What the catalog's corrections amount to, so that recommendations go by it without asking."""

from alembic import op

revision = "recommendations_0003"
down_revision = "recommendations_0002"


def upgrade() -> None:
    op.execute(
        """
        create table alias (
            scope      uuid    not null,
            kind       text    not null,
            from_key   uuid    not null,
            place      integer not null,
            to_key     uuid    not null,
            name       text    not null,
            artist_key uuid,
            artist     text,
            primary key (scope, kind, from_key, place)
        );
        create index alias_to on alias (kind, to_key);
        """
    )


def downgrade() -> None:
    op.execute("drop table alias")
