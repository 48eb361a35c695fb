"""MusicBrainz identifiers of recordings, as players tell them."""

from alembic import op

revision = "catalog_0003"
down_revision = "catalog_0002"


def upgrade() -> None:
    op.execute(
        """
        create table identifier (
            mbid          uuid primary key,
            recording_key uuid not null
        );
        create index identifier_recording on identifier (recording_key);
        """
    )


def downgrade() -> None:
    op.execute("drop table identifier")
