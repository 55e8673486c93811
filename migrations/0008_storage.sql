-- Blobs are looked up by name when it is asked whether anything still points to them.

create index dataset_versions_by_blob on dataset_versions (blob) where blob is not null;
comment on index dataset_versions_by_blob is 'For the sweeper of orphans, and for deletion.';
create index artifacts_by_blob on artifacts (blob);
comment on index artifacts_by_blob is 'For the sweeper of orphans, and for deletion.';
create index jobs_by_checkpoint on jobs (checkpoint) where checkpoint is not null;
comment on index jobs_by_checkpoint is 'For the sweeper of orphans. Finished jobs have no checkpoint.';
