"""How recordings sound beside their energy, and their names in the feed: those that are here already are told once."""

from alembic import op

revision = "catalog_0007"
down_revision = "catalog_0006"


def upgrade() -> None:
    op.execute("set local lock_timeout = '5s'")
    op.execute("alter table sound add column audio real[]")
    op.execute(
        """
        insert into event (payload)
        select jsonb_build_object('type', 'described', 'descriptions', jsonb_agg(jsonb_build_object(
                   'kind', 'recordings', 'key', recording_key, 'tags', tags, 'energy', energy,
                   'title', title, 'artist', artist, 'artist_key', artist_key)))
        from (
            select r.recording_key, r.title, r.artist, r.artist_key, s.energy,
                   coalesce((select jsonb_agg(t.tag order by t.tag) from tag t where t.key = r.recording_key), '[]')
                       as tags,
                   (row_number() over (order by r.recording_key)) / 200 as page
            from recording r
            left join sound s on s.recording_key = r.recording_key
            where s.recording_key is not null or exists (select from tag t where t.key = r.recording_key)
        ) described
        group by page
        """
    )


def downgrade() -> None:
    # what was told of names stays in the log: who doesn't know them reads past them
    op.execute("alter table sound drop column audio")
