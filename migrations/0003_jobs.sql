-- The queue. A job is claimed for a lease; each claim raises the lease epoch, and every later
-- effect names the epoch it was claimed under, so that a worker that lost its lease changes nothing.
--
--                  +------------------ cancelled
--                  |                      ^
--   submit --> queued --claim--> running --+--> succeeded
--                  ^                |      |
--                  +---hand back----+      +--> failed

create table jobs (
    id               uuid not null,
    dataset_id       uuid not null,
    dataset_version  integer not null,
    population_id    uuid not null,
    request          jsonb not null,
    plan             jsonb not null,
    epsilon          double precision not null,
    delta            double precision not null,
    price            jsonb not null,
    status           text not null default 'queued',
    stage            text,
    step             integer not null default 0,
    steps            integer not null default 0,
    stage_started_at timestamptz,
    stage_first_step integer,
    attempts         integer not null default 0,
    run_after        timestamptz not null default now(),
    cancel_requested boolean not null default false,
    lease_epoch      bigint not null default 0,
    lease_expires_at timestamptz,
    worker           text,
    blocks_allowed   integer not null,
    blocks_claimed   integer not null default 0,
    charged_at       timestamptz,
    checkpoint       text,
    error            text,
    created_at       timestamptz not null default now(),
    started_at       timestamptz,
    finished_at      timestamptz,
    constraint jobs_pk primary key (id),
    constraint jobs_version_fk foreign key (dataset_id, dataset_version)
        references dataset_versions (dataset_id, version),
    constraint jobs_population_fk foreign key (population_id) references populations (id),
    constraint jobs_status_known check (status in ('queued', 'running', 'succeeded', 'failed', 'cancelled')),
    constraint jobs_lease_while_running check ((status = 'running') = (lease_expires_at is not null)),
    constraint jobs_finished_when_final check (
        (status in ('succeeded', 'failed', 'cancelled')) = (finished_at is not null)),
    constraint jobs_blocks_within_plan check (blocks_claimed between 0 and blocks_allowed),
    constraint jobs_blocks_are_charged check (blocks_claimed = 0 or charged_at is not null),
    constraint jobs_error_when_failed check ((status = 'failed') = (error is not null))
);
comment on table jobs is 'Every synthesis job and where it stands.';
comment on column jobs.id is 'UUIDv7: ids sort by time of submission.';
comment on column jobs.dataset_id is 'The private table.';
comment on column jobs.dataset_version is 'The upload it trains on, fixed at submission.';
comment on column jobs.population_id is 'Whose budget it spends.';
comment on column jobs.request is 'The request as accepted.';
comment on column jobs.plan is 'Steps, noise and events, fixed before the first private byte.';
comment on column jobs.epsilon is 'The epsilon that it was planned for. Not what the ledger counts.';
comment on column jobs.delta is 'The delta that it was planned for.';
comment on column jobs.price is 'What it holds on the ledger and how that was found (privacy::Price).';
comment on column jobs.status is 'queued, running, succeeded, failed or cancelled.';
comment on column jobs.stage is 'The stage at work: measure, stage1, stage2, generate, report.';
comment on column jobs.step is 'Steps of the stage that are done.';
comment on column jobs.steps is 'Steps of the stage in all.';
comment on column jobs.stage_started_at is 'When the stage began in this attempt.';
comment on column jobs.stage_first_step is 'The step with which this attempt entered the stage; after a crash, where it was resumed.';
comment on column jobs.attempts is 'How often it was claimed, hand-backs not counted.';
comment on column jobs.run_after is 'Not claimed before this moment: back-off after a device or database error.';
comment on column jobs.cancel_requested is 'A running job that is to stop within two steps.';
comment on column jobs.lease_epoch is 'Raised by every claim; the fencing number of every later effect.';
comment on column jobs.lease_expires_at is 'When another worker may claim it, by the database''s clock.';
comment on column jobs.worker is 'Who holds, or last held, the lease.';
comment on column jobs.blocks_allowed is 'Private blocks that the charge covers: those of the plan and its spares; 0 for a job that measures and trains on nothing private.';
comment on column jobs.blocks_claimed is 'Private blocks begun, each counted before its noise key exists.';
comment on column jobs.charged_at is 'When it was first charged: the whole plan, of which nothing is given back, with its first block or with what it measures before any block; or its first block alone. Null for ever where there is nothing to pay.';
comment on column jobs.checkpoint is 'The blob to resume from: noised quantities only, never samples. Never a key either, but for that of the measurement before any block: it stays until the measurement is done, so that a repetition gives the same noise.';
comment on column jobs.error is 'The failure code, when failed.';
comment on column jobs.created_at is 'When it was accepted.';
comment on column jobs.started_at is 'When it was first claimed.';
comment on column jobs.finished_at is 'When it reached its final state.';
create index jobs_claimable on jobs (created_at) where status in ('queued', 'running');
create index jobs_by_dataset on jobs (dataset_id, id);
create index jobs_by_population on jobs (population_id);

create function jobs_guard() returns trigger language plpgsql as $$
begin
    if old.status = new.status
        or (old.status = 'queued' and new.status in ('running', 'cancelled'))
        or (old.status = 'running' and new.status in ('queued', 'succeeded', 'failed', 'cancelled')) then
        if old.status in ('succeeded', 'failed', 'cancelled') then
            raise exception 'a finished job does not change' using errcode = 'restrict_violation';
        end if;
        if new.blocks_claimed < old.blocks_claimed or (old.charged_at is not null and new.charged_at is null)
            or new.lease_epoch < old.lease_epoch then
            raise exception 'charges and epochs do not go back' using errcode = 'restrict_violation';
        end if;
        return new;
    end if;
    raise exception 'a job does not go from % to %', old.status, new.status using errcode = 'restrict_violation';
end $$;
comment on function jobs_guard() is 'The picture above as a rule; also keeps charges and epochs from going back.';
create trigger jobs_guard before update on jobs for each row execute function jobs_guard();

create function jobs_ring() returns trigger language plpgsql as $$
begin
    perform pg_notify('jobs', new.id::text);
    return null;
end $$;
comment on function jobs_ring() is 'Wakes workers and waiting clients. A hint only: everyone also polls.';
create trigger jobs_ring after insert or update of status, cancel_requested on jobs
    for each row execute function jobs_ring();

create table private_blocks (
    job_id      uuid not null,
    ordinal     integer not null,
    block       integer not null,
    lease_epoch bigint not null,
    claimed_at  timestamptz not null default now(),
    constraint private_blocks_pk primary key (job_id, ordinal),
    constraint private_blocks_job_fk foreign key (job_id) references jobs (id),
    constraint private_blocks_once_an_attempt unique (job_id, lease_epoch, block)
);
comment on table private_blocks is 'Evidence: every private block that was begun, repeated ones included.';
comment on column private_blocks.job_id is 'The job.';
comment on column private_blocks.ordinal is '1, 2, 3 in the order of claiming; at most the plan''s blocks and spares.';
comment on column private_blocks.block is 'Which block of the plan, from 0; a number that comes again is a repetition with fresh noise.';
comment on column private_blocks.lease_epoch is 'The claim of the job under which it was begun.';
comment on column private_blocks.claimed_at is 'When it was claimed, before its noise key existed.';
create trigger private_blocks_append_only before update or delete on private_blocks
    for each row execute function ledger_append_only();

create table artifacts (
    job_id     uuid not null,
    kind       text not null,
    blob       text not null,
    bytes      bigint not null,
    created_at timestamptz not null default now(),
    constraint artifacts_pk primary key (job_id, kind),
    constraint artifacts_job_fk foreign key (job_id) references jobs (id),
    constraint artifacts_kind_known check (kind in ('synthetic', 'report', 'model', 'distribution'))
);
comment on table artifacts is 'What a succeeded job left, visible from the transaction that finished it.';
comment on column artifacts.job_id is 'The job.';
comment on column artifacts.kind is 'synthetic: encoded rows. report: JSON, custodian view. model: weights as safetensors. distribution: what was fitted to noisy counts.';
comment on column artifacts.blob is 'The blob that holds it.';
comment on column artifacts.bytes is 'Its size.';
comment on column artifacts.created_at is 'When the job finished.';

create table idempotency_keys (
    key        text not null,
    body       text not null,
    job_id     uuid not null,
    created_at timestamptz not null default now(),
    constraint idempotency_keys_pk primary key (key),
    constraint idempotency_keys_job_fk foreign key (job_id) references jobs (id)
);
comment on table idempotency_keys is 'Submissions that may be repeated without a second job.';
comment on column idempotency_keys.key is 'The header Idempotency-Key.';
comment on column idempotency_keys.body is 'SHA-256 of the request body, in hex.';
comment on column idempotency_keys.job_id is 'The job that the first submission made.';
comment on column idempotency_keys.created_at is 'When it was first seen.';
