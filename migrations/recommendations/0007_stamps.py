"""When a listener's answers last changed: what is kept of an answer holds while its stamp does."""

from alembic import op

revision = "recommendations_0007"
down_revision = "recommendations_0006"


def upgrade() -> None:
    op.execute(
        """
        create table stamp (
            listener_id uuid        primary key,
            changed_at  timestamptz not null
        );
        """
    )


def downgrade() -> None:
    op.execute("drop table stamp")
