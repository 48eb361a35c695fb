"""Names with a text to search by; trigram indexes where the server has pg_trgm, prefix indexes everywhere."""

from alembic import op

revision = "catalog_0001"
down_revision = None


def upgrade() -> None:
    op.execute(
        """
        create table artist (
            artist_key  uuid primary key,
            name        text not null,
            search_text text not null,
            plays       bigint not null default 0
        );
        create table recording (
            recording_key uuid primary key,
            artist_key    uuid not null,
            title         text not null,
            artist        text not null,
            release       text,
            search_text   text not null,
            plays         bigint not null default 0
        );
        create index ix_recording_artist_key on recording (artist_key);
        create table tag (key uuid not null, tag text not null, primary key (key, tag));
        create table feed_cursor (name text primary key, cursor text not null);

        -- names can be longer than a b-tree entry may be
        create index artist_prefix on artist (left(search_text, 200) text_pattern_ops);
        create index recording_prefix on recording (left(search_text, 200) text_pattern_ops);
        do $$
        begin
            if exists (select from pg_extension where extname = 'pg_trgm') then
                create index artist_trigram on artist using gin (search_text gin_trgm_ops);
                create index recording_trigram on recording using gin (search_text gin_trgm_ops);
            end if;
        end
        $$;
        """
    )


def downgrade() -> None:
    op.execute("drop table artist, recording, tag, feed_cursor")
