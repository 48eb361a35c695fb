"""The last requests of each token, and applications that wait for a person's consent."""

from alembic import op

revision = "accounts_0002"
down_revision = "accounts_0001"


def upgrade() -> None:
    op.execute(
        """
        create table token_request (
            request_id  bigint generated always as identity primary key,
            listener_id uuid references listener on delete cascade,
            token_id    uuid references api_token on delete cascade,
            at          timestamptz not null,
            protocol    text        not null,
            what        text        not null,
            client      text        not null,
            app         text        not null,
            address     text        not null,
            is_accepted boolean     not null,
            outcome     text        not null
        );
        create index token_request_listener on token_request (listener_id, at);
        create index token_request_token on token_request (token_id) where token_id is not null;
        create table app_authorization (
            token_hash bytea       primary key,
            app        text        not null,
            token_id   uuid        not null references api_token on delete cascade,
            expires_at timestamptz not null
        );
        """
    )


def downgrade() -> None:
    op.execute("drop table token_request, app_authorization")
