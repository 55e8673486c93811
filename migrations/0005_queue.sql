-- Who works, in which order jobs are taken, and how each attempt at one ended.
--
-- Tenants take turns: whoever has the fewest running jobs is next. The queued jobs of a tenant on one dataset are a
-- lane, in the order of priority, then of submission; a worker takes the first of all heads of lanes. From here on, only what is queued is claimed:
-- jobs whose worker fell silent are put back, or ended, by the rescuer.

alter table api_keys
    add column tenant text not null default 'default',
    add constraint api_keys_tenant_named check (length(tenant) between 1 and 64);
comment on column api_keys.tenant is 'On whose behalf it calls. Tenants take turns in the queue.';

alter table jobs
    add column tenant   text not null default 'default',
    add column priority smallint not null default 0,
    add column slot     integer,
    add column place    text,
    add column fault    text,
    add constraint jobs_tenant_named check (length(tenant) between 1 and 64),
    add constraint jobs_priority_bounded check (priority between -100 and 100),
    add constraint jobs_slot_counted_from_one check (slot >= 1);
comment on column jobs.tenant is 'The tenant of the key that submitted it.';
comment on column jobs.priority is 'Among the jobs of its tenant the higher goes first; 0 unless said.';
comment on column jobs.slot is 'While it runs: which of the places for jobs of its dataset it takes; null where there is no limit.';
comment on column jobs.place is 'While it runs: host and card, where one job at a time may run; null on processors.';
comment on column jobs.fault is 'Why the latest attempt ended early, until the next one begins.';
create unique index jobs_one_a_slot on jobs (dataset_id, slot) where status = 'running' and slot is not null;
comment on index jobs_one_a_slot is 'The limit of running jobs of a dataset: as many as it has slots.';
create unique index jobs_one_a_place on jobs (place) where status = 'running' and place is not null;
comment on index jobs_one_a_place is 'One job on a card.';
create index jobs_lanes on jobs (tenant, dataset_id, priority desc, created_at, id) where status = 'queued';
comment on index jobs_lanes is 'The lanes, each in its order.';
create index jobs_running on jobs (lease_expires_at) where status = 'running';
comment on index jobs_running is 'For the rescuer, and to count who has how many.';
-- A queue is a table of which a few rows change all the time: dead ones must not pile up at its head.
alter table jobs set (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 500);

create function jobs_leave() returns trigger language plpgsql as $$
begin
    new.slot := null;
    new.place := null;
    return new;
end $$;
comment on function jobs_leave() is 'A job that no longer runs takes no place.';
create trigger jobs_leave before update on jobs for each row
    when (old.status = 'running' and new.status <> 'running') execute function jobs_leave();

create table job_attempts (
    job_id      uuid not null,
    lease_epoch bigint not null,
    worker      text,
    started_at  timestamptz not null default clock_timestamp(),
    ended_at    timestamptz,
    outcome     text,
    reason      text,
    constraint job_attempts_pk primary key (job_id, lease_epoch),
    constraint job_attempts_job_fk foreign key (job_id) references jobs (id),
    constraint job_attempts_outcome_known check (
        outcome in ('succeeded', 'failed', 'cancelled', 'handed_back', 'lost')),
    constraint job_attempts_outcome_when_ended check ((outcome is null) = (ended_at is null))
);
comment on table job_attempts is 'Every claim of a job and how it ended. May depend on private rows: for the custodian alone.';
comment on column job_attempts.job_id is 'The job.';
comment on column job_attempts.lease_epoch is 'The claim: 1, 2, 3 in the order of claiming.';
comment on column job_attempts.worker is 'Who held the lease.';
comment on column job_attempts.started_at is 'When it was claimed.';
comment on column job_attempts.ended_at is 'When it ended, or was found to have ended; null while it goes on.';
comment on column job_attempts.outcome is 'succeeded, failed or cancelled: the job ended with it. handed_back: by the worker itself. lost: the worker fell silent.';
comment on column job_attempts.reason is 'Why it was not a success: a failure code, or draining.';

create function jobs_attempt() returns trigger language plpgsql as $$
begin
    if old.status = 'running' and (new.status <> 'running' or new.lease_epoch > old.lease_epoch) then
        update job_attempts set
            ended_at = clock_timestamp(),
            outcome = case when new.status in ('succeeded', 'failed', 'cancelled') then new.status
                           when old.lease_expires_at < clock_timestamp() then 'lost'
                           else 'handed_back' end,
            reason = coalesce(new.error, new.fault)
        where job_id = new.id and lease_epoch = old.lease_epoch;
    end if;
    if new.lease_epoch > old.lease_epoch then
        insert into job_attempts (job_id, lease_epoch, worker) values (new.id, new.lease_epoch, new.worker);
    end if;
    return null;
end $$;
comment on function jobs_attempt() is 'Writes the attempts down as they begin and end.';
create trigger jobs_attempt after update on jobs for each row
    when (old.status = 'running' or new.lease_epoch > old.lease_epoch) execute function jobs_attempt();

create or replace function jobs_ring() returns trigger language plpgsql as $$
begin
    perform pg_notify('jobs', new.id::text);
    if new.status = 'queued' then
        perform pg_notify('work', '');
    end if;
    if new.cancel_requested and new.status = 'running' then
        perform pg_notify('cancel', new.id::text);
    end if;
    return null;
end $$;
comment on function jobs_ring() is 'Wakes servers (jobs: something changed), idle workers (work: something can be claimed) and busy ones (cancel). Hints only: everyone also polls.';

create table workers (
    name         text not null,
    host         text not null,
    pid          integer not null,
    device       text not null,
    threads      integer not null,
    memory_bytes bigint,
    used_bytes   bigint,
    version      text not null,
    job_id       uuid,
    draining     boolean not null default false,
    started_at   timestamptz not null default clock_timestamp(),
    heartbeat_at timestamptz not null default clock_timestamp(),
    constraint workers_pk primary key (name)
);
comment on table workers is 'Who is there to work. For the eye: leases alone say who may do what.';
comment on column workers.name is 'The name under which its leases are held.';
comment on column workers.host is 'The machine.';
comment on column workers.pid is 'Its process there.';
comment on column workers.device is 'Where it trains: cpu, cuda:0 and so on.';
comment on column workers.threads is 'Threads that it computes with.';
comment on column workers.memory_bytes is 'Bytes of memory that it may take; null for no limit.';
comment on column workers.used_bytes is 'Bytes that it has resident; null where the kernel does not say.';
comment on column workers.version is 'The version of its program.';
comment on column workers.job_id is 'The job that it is at; null when idle.';
comment on column workers.draining is 'Whether it was told to stop.';
comment on column workers.started_at is 'When it joined.';
comment on column workers.heartbeat_at is 'When it was last heard of.';

create table compatibility (
    singleton         boolean not null default true,
    migrations_needed integer not null,
    constraint compatibility_pk primary key (singleton),
    constraint compatibility_of_one_row check (singleton)
);
comment on table compatibility is 'Which programs may still work on this schema. Migrations add first (expand) and take away releases later (contract): a program that knows fewer migrations than were applied goes on working, unless it is said here that it cannot.';
comment on column compatibility.singleton is 'There is one row.';
comment on column compatibility.migrations_needed is 'Programs that know fewer migrations than this refuse to start.';
insert into compatibility (migrations_needed) values (4);
