-- Keys with names, an end and a sign of life.

alter table api_keys
    add column name       text,
    add column expires_at timestamptz,
    add column used_at    timestamptz,
    add constraint api_keys_name_short check (length(name) between 1 and 200);
comment on column api_keys.name is 'What it is for, as whoever made it said.';
comment on column api_keys.expires_at is 'From when on it opens nothing; null for never.';
comment on column api_keys.used_at is 'When it was last used, written about once a minute at most.';
