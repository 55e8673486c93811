-- Blobs are sealed, each under a key of its own. The key is here, wrapped under a storage key that is not; it goes with
-- the last row that names the blob, and the blob with it, wherever copies of it are.

create table storage_keys (
    id    text not null,
    since timestamptz not null default clock_timestamp(),
    constraint storage_keys_pk primary key (id),
    constraint storage_keys_by_name check (id ~ '^[0-9a-f]{16}$')
);
comment on table storage_keys is 'Which storage keys wrap the keys of blobs. The storage keys themselves are in a file or in the environment of servers and workers, and never here.';
comment on column storage_keys.id is 'Its name: 16 digits of a digest.';
comment on column storage_keys.since is 'When it was first there to wrap.';

create table blob_keys (
    blob        text not null,
    dataset_id  uuid not null,
    storage_key text not null,
    wrapped     bytea not null,
    constraint blob_keys_pk primary key (blob),
    constraint blob_keys_dataset_fk foreign key (dataset_id) references datasets (id),
    constraint blob_keys_storage_key_fk foreign key (storage_key) references storage_keys (id),
    constraint blob_keys_wrapped_whole check (octet_length(wrapped) = 72)
);
comment on table blob_keys is 'What opens each sealed blob. A row comes with the row that names the blob, and goes with it.';
comment on column blob_keys.blob is 'The name of the blob.';
comment on column blob_keys.dataset_id is 'The dataset whose it is. The key is bound to it, and to the name.';
comment on column blob_keys.storage_key is 'What the key is wrapped under.';
comment on column blob_keys.wrapped is 'The key, encrypted: 24 bytes of nonce, 32 of the key, 16 of a tag.';
create index blob_keys_by_storage_key on blob_keys (storage_key);
comment on index blob_keys_by_storage_key is 'For rotation.';

create function blob_key_destroyed() returns trigger language plpgsql as $$
begin
    delete from blob_keys where blob = old.blob;
    return null;
end $$;
comment on function blob_key_destroyed() is 'Destroys the key of a blob that its row no longer names.';
create trigger blob_key_destroyed after update of blob on dataset_versions
    for each row when (old.blob is distinct from new.blob) execute function blob_key_destroyed();
create trigger blob_key_destroyed_with_row after delete on dataset_versions
    for each row execute function blob_key_destroyed();
create trigger blob_key_destroyed after update of blob on artifacts
    for each row when (old.blob is distinct from new.blob) execute function blob_key_destroyed();
create trigger blob_key_destroyed_with_row after delete on artifacts
    for each row execute function blob_key_destroyed();

create function checkpoint_key_destroyed() returns trigger language plpgsql as $$
begin
    delete from blob_keys where blob = old.checkpoint;
    return null;
end $$;
comment on function checkpoint_key_destroyed() is 'Destroys the key of a checkpoint that its job no longer names: another one took its place, or the job ended.';
create trigger checkpoint_key_destroyed after update of checkpoint on jobs
    for each row when (old.checkpoint is distinct from new.checkpoint) execute function checkpoint_key_destroyed();
create trigger checkpoint_key_destroyed_with_row after delete on jobs
    for each row execute function checkpoint_key_destroyed();

-- Older programs take what is sealed for damaged rows, and would fail the jobs on it.
update compatibility set migrations_needed = 11;
