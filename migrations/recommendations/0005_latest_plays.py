"""Each listener's latest plays in their order, for what may come next and for habits of the day."""

from alembic import op

revision = "recommendations_0005"
down_revision = "recommendations_0004"


def upgrade() -> None:
    op.execute(
        """
        create table latest_play (
            listener_id   uuid        not null,
            listened_at   timestamptz not null,
            recording_key uuid        not null,
            artist_key    uuid        not null,
            primary key (listener_id, listened_at, recording_key)
        );
        """
    )


def downgrade() -> None:
    op.execute("drop table latest_play")
