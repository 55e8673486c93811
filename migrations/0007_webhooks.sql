-- Messages to receivers that a job names: queued in the very transaction that ends the job, sent by the servers.
-- At least once: one that was sent by a server that died is sent again, under the same id.
--
--                    +--> delivered
--   pending --send --+--> pending, later
--                    +--> dead

create table webhook_deliveries (
    id         uuid not null default gen_random_uuid(),
    job_id     uuid not null,
    url        text not null,
    status     text not null default 'pending',
    attempts   integer not null default 0,
    due_at     timestamptz not null default clock_timestamp(),
    answer     integer,
    fault      text,
    created_at timestamptz not null default clock_timestamp(),
    ended_at   timestamptz,
    constraint webhook_deliveries_pk primary key (id),
    constraint webhook_deliveries_job_fk foreign key (job_id) references jobs (id),
    constraint webhook_deliveries_one_a_job unique (job_id),
    constraint webhook_deliveries_status_known check (status in ('pending', 'delivered', 'dead')),
    constraint webhook_deliveries_ended_when_final check ((status = 'pending') = (ended_at is null))
);
comment on table webhook_deliveries is 'The message about the end of each job that named a receiver.';
comment on column webhook_deliveries.id is 'The webhook-id: the same for every attempt, so that a receiver can tell repetitions.';
comment on column webhook_deliveries.job_id is 'The job that ended. What is said about it is made from its row, which never changes again.';
comment on column webhook_deliveries.url is 'Where to, as the request for the job says. May hold secrets of the receiver: shown without its path.';
comment on column webhook_deliveries.status is 'pending: to be sent, at first or again. delivered: the receiver took it. dead: given up.';
comment on column webhook_deliveries.attempts is 'How often a server took it to send it; also the fencing number of what that server writes about it.';
comment on column webhook_deliveries.due_at is 'When it may be taken next: while it is being sent, when the server that does is taken for dead.';
comment on column webhook_deliveries.answer is 'The HTTP status of the last answer; null when there was none.';
comment on column webhook_deliveries.fault is 'Why the last attempt failed, in a word.';
comment on column webhook_deliveries.created_at is 'When the job ended.';
comment on column webhook_deliveries.ended_at is 'When it was delivered or given up.';
create index webhook_deliveries_due on webhook_deliveries (due_at) where status = 'pending';
comment on index webhook_deliveries_due is 'What is to be sent.';

create function jobs_announce() returns trigger language plpgsql as $$
begin
    insert into webhook_deliveries (job_id, url) values (new.id, new.request ->> 'webhook');
    return null;
end $$;
comment on function jobs_announce() is 'Queues the message about the end of a job.';
create trigger jobs_announce after update on jobs for each row
    when (old.status <> new.status and new.status in ('succeeded', 'failed', 'cancelled')
          and new.request ->> 'webhook' is not null)
    execute function jobs_announce();
