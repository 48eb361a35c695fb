"""How loud recordings are, and tags in the feed: those that are here already are told once."""

from alembic import op

revision = "catalog_0005"
down_revision = "catalog_0004"


def upgrade() -> None:
    op.execute(
        """
        create table sound (
            recording_key uuid primary key,
            energy        real not null
        );
        insert into event (payload)
        select jsonb_build_object('type', 'described', 'descriptions', jsonb_agg(jsonb_build_object(
                   'kind', kind, 'key', key, 'tags', tags, 'energy', null)))
        from (
            select case when a.artist_key is null then 'recordings' else 'artists' end as kind, t.key,
                   jsonb_agg(t.tag order by t.tag) as tags,
                   (row_number() over (order by t.key)) / 200 as page
            from tag t
            left join artist a on a.artist_key = t.key
            group by t.key, a.artist_key
        ) described
        group by page;
        """
    )


def downgrade() -> None:
    op.execute("delete from event where payload->>'type' = 'described'")
    op.execute("drop table sound")
