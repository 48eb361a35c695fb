"""Models whose files are not kept any more: the row stays, with what it was made of and worth."""

from alembic import op

revision = "training_0005"
down_revision = "training_0004"


def upgrade() -> None:
    op.execute(
        """
        insert into allowed_move (subject, from_state, to_state) values
            ('model', 'retired',     'archived'),
            ('model', 'rolled_back', 'archived'),
            ('model', 'rejected',    'archived')
        """
    )


def downgrade() -> None:
    op.execute("delete from allowed_move where subject = 'model' and to_state = 'archived'")
