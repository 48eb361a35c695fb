"""When the roll-ups of a listener last changed, so that figures need not be counted again until they do."""

from alembic import op

revision = "listens_0008"
down_revision = "listens_0007"


def upgrade() -> None:
    op.execute("create table stamp (listener_id uuid primary key, changed_at timestamptz not null)")


def downgrade() -> None:
    op.execute("drop table stamp")
