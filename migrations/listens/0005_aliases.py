"""What the catalog's corrections amount to, so that history and statistics show it without asking."""

from alembic import op

revision = "listens_0005"
down_revision = "listens_0004"


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
