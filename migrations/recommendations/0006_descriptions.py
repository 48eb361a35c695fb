"""Tags and loudness of items, as the feed of the catalog tells."""

from alembic import op

revision = "recommendations_0006"
down_revision = "recommendations_0005"


def upgrade() -> None:
    op.execute(
        """
        create table description (
            kind   text   not null,
            key    uuid   not null,
            tags   text[] not null,
            energy real,
            primary key (kind, key)
        );
        create index description_tags on description using gin (tags);
        """
    )


def downgrade() -> None:
    op.execute("drop table description")
