-- How long things are kept, and what was destroyed because its time was over.
--
-- What is kept for how long is said in days, by the custodian for a dataset, or by the installation. Servers destroy what
-- is due: the keys of blobs go with the rows that name them (0011), what jobs that are queued or running need stays until
-- they end, and so do for ever the ledger, jobs, certificates and the audit log, which gets two lines in the same
-- transaction.

alter table datasets
    add column keep_rows_days    integer,
    add column keep_results_days integer,
    add constraint datasets_kept_for_days check (
        keep_rows_days between 0 and 36500 and keep_results_days between 0 and 36500);
comment on column datasets.keep_rows_days is 'Days from the completion of an upload to its destruction, as the custodian chose; 0 for ever, null as the installation says. Never longer than the installation allows at the time.';
comment on column datasets.keep_results_days is 'The same for tables, models, reports and figures, from the end of their job on.';

create table destructions (
    dataset_id   uuid not null,
    version      integer,
    job_id       uuid,
    days         integer not null,
    due_at       timestamptz not null,
    destroyed_at timestamptz not null,
    constraint destructions_dataset_fk foreign key (dataset_id) references datasets (id),
    constraint destructions_version_fk foreign key (dataset_id, version)
        references dataset_versions (dataset_id, version),
    constraint destructions_job_fk foreign key (job_id) references jobs (id),
    constraint destructions_of_one_thing check (num_nonnulls(version, job_id) = 1),
    constraint destructions_not_before_due check (destroyed_at >= due_at),
    constraint destructions_upload_once unique (dataset_id, version),
    constraint destructions_results_once unique (job_id)
);
comment on table destructions is 'Append-only: what was destroyed because its time was over. Deletions of datasets are not here but in datasets.deleted_at.';
comment on column destructions.dataset_id is 'The dataset.';
comment on column destructions.version is 'The upload, if it was one.';
comment on column destructions.job_id is 'The job, if it was what one left.';
comment on column destructions.days is 'For how many days it was to be kept when that was over.';
comment on column destructions.due_at is 'When that was.';
comment on column destructions.destroyed_at is 'When its keys were destroyed, by the database''s clock.';

create function destructions_append_only() returns trigger language plpgsql as $$
begin
    raise exception 'what was destroyed stays destroyed' using errcode = 'restrict_violation';
end $$;
comment on function destructions_append_only() is 'Refuses every change of what is told of a destruction.';
create trigger destructions_append_only before update or delete on destructions
    for each row execute function destructions_append_only();
create trigger destructions_no_truncate before truncate on destructions
    for each statement execute function destructions_append_only();

alter table destructions enable row level security, force row level security;
do $$ begin
    execute 'create policy operator on destructions to current_user using (true)';
end $$;
create policy tenant on destructions to dp2stage_tenant
    using (exists (select from datasets d where d.id = dataset_id));
grant select on destructions to dp2stage_tenant;

comment on column dataset_versions.sha256 is 'SHA-256 of the body as it was sent, in hex; custodian view. Null once the rows are destroyed.';
comment on column dataset_versions.blob is 'The blob that holds the encoded rows; null once they are destroyed: with the dataset, or because their time was over.';
comment on column audit_entries.method is 'The method of HTTP, CLI, or SWEEP for what servers destroy by themselves.';
comment on column audit_entries.role is 'What the key may do; operator for the command line, and for what servers destroy by themselves.';
comment on column audit_entries.route is 'The template of the route, the command, or retention: never a path as it was asked for.';
