"""Search looks at the best known names first, and takes no notice of accents, apostrophes and full stops.

`weight` rises with the logarithm of the plays, so its index is written a few times in a name's life and not with every
listen.
"""

from alembic import op

revision = "catalog_0002"
down_revision = "catalog_0001"


def upgrade() -> None:
    op.execute("set local lock_timeout = '5s'")  # a writer waits for what holds the tables, not for ever
    for table in ("artist", "recording"):
        op.execute(
            f"""
            alter table {table}
                add column weight smallint not null
                    generated always as (floor(2 * ln((1 + plays)::double precision))::smallint) stored;
            create index ix_{table}_weight on {table} (weight);

            update {table} set search_text = folded.text
            from (
                select {table}_key as key,
                       regexp_replace(trim(replace(replace(replace(translate(
                           normalize(regexp_replace(normalize(search_text, nfd), '[\\u0300-\\u036f]', '', 'g'), nfc),
                           'øłđðı''.', 'olddi'), 'þ', 'th'), 'æ', 'ae'), 'œ', 'oe')), ' +', ' ', 'g') as text
                from {table}
            ) folded
            where {table}_key = folded.key and folded.text not in ('', search_text);
            """  # noqa: S608
        )
    op.execute(
        """
        do $$
        begin
            if exists (select from pg_extension where extname = 'pg_trgm') then
                create index if not exists artist_trigram on artist using gin (search_text gin_trgm_ops);
                create index if not exists recording_trigram on recording using gin (search_text gin_trgm_ops);
            end if;
        end
        $$;
        """
    )


def downgrade() -> None:
    op.execute("set local lock_timeout = '5s'")
    op.execute("alter table artist drop column weight; alter table recording drop column weight")
