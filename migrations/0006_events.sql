-- What happened to each job, in order: written by triggers in the very transactions that make it happen, so
-- that a stream of events loses nothing, and so that whoever changes a job need not think of it.
--
-- Analysts must not learn of retries: that a worker died or a job was put back may depend on private rows. Some
-- events are therefore released, and these alone are numbered a second time. The released history of a job is a
-- function of its plan, of how far it came and of how it ended: queued, running once, the stages of the plan in
-- their order and each once (one that was passed unheard is told with the next), the end.

create table job_events (
    job_id   uuid not null,
    seq      integer not null,
    released integer,
    kind     text not null,
    word     text not null,
    attempt  integer not null,
    error    text,
    at       timestamptz not null,
    constraint job_events_pk primary key (job_id, seq),
    constraint job_events_job_fk foreign key (job_id) references jobs (id),
    constraint job_events_released_once unique (job_id, released),
    constraint job_events_counted_from_one check (seq >= 1 and released between 1 and seq),
    constraint job_events_kind_known check (kind in ('status', 'stage', 'cancel'))
);
comment on table job_events is 'The history of every job. Rows are added only, by the triggers of jobs.';
comment on column job_events.job_id is 'The job.';
comment on column job_events.seq is '1, 2, 3 in the order of happening: the row lock of the job is held while one is added, so that whoever sees a number sees all before it. The id of the event for custodians.';
comment on column job_events.released is '1, 2, 3 among the events that everyone may know; null for the others. The id of the event for analysts: gaps in it would betray what is not released.';
comment on column job_events.kind is 'status: the job has a new state, or was claimed again. stage: a stage began. cancel: it was asked to stop.';
comment on column job_events.word is 'The state, or the stage; requested, where it was asked to stop.';
comment on column job_events.attempt is 'Claims of the job up to then that count.';
comment on column job_events.error is 'The failure code, where the job failed; where it was put back, why.';
comment on column job_events.at is 'When. Released for states alone, which the job shows as well.';

alter table jobs
    add column reached_stage text,
    add column reached_step  integer not null default 0,
    add column reached_steps integer not null default 0;
comment on column jobs.reached_stage is 'The furthest stage that any attempt was at: what analysts see, since a stage that comes again betrays a retry. Null also for jobs that ended before this was written down.';
comment on column jobs.reached_step is 'Steps of that stage that are done, at most.';
comment on column jobs.reached_steps is 'Steps of that stage in all.';

create function job_stages(plan jsonb) returns text[] language sql immutable as $$
    select array_remove(array[
        case when jsonb_typeof(plan -> 'measure') = 'object' then 'measure' end,
        case when plan #> '{public,steps}' > '0'::jsonb then 'stage1' end,
        case when jsonb_typeof(plan -> 'private') = 'object' then 'stage2' end,
        'generate',
        'report'], null)
$$;
comment on function job_stages(jsonb) is 'The stages that a plan goes through, in order.';

create function job_event(job uuid, open boolean, kind text, word text, attempt integer, error text, at timestamptz)
returns void language sql as $$
    insert into job_events (job_id, seq, released, kind, word, attempt, error, at)
    select $1, 1 + coalesce(max(e.seq), 0), case when $2 then 1 + coalesce(max(e.released), 0) end, $3, $4, $5, $6, $7
    from job_events e where e.job_id = $1
$$;
comment on function job_event(uuid, boolean, text, text, integer, text, timestamptz) is 'Adds an event; one that is open is released.';

create function jobs_tell_birth() returns trigger language plpgsql as $$
begin
    perform job_event(new.id, true, 'status', new.status, 0, null, new.created_at);
    return null;
end $$;
comment on function jobs_tell_birth() is 'The first event of a job.';
create trigger jobs_tell_birth after insert on jobs for each row execute function jobs_tell_birth();

create function jobs_tell() returns trigger language plpgsql as $$
declare
    final  boolean := new.status in ('succeeded', 'failed', 'cancelled') and new.status <> old.status;
    again  boolean;
    passed text;
begin
    if new.status = 'running' and (old.status <> 'running' or new.lease_epoch > old.lease_epoch) then
        again := exists (select from job_events e where e.job_id = new.id and e.kind = 'status' and e.word = 'running');
        perform job_event(new.id, not again, 'status', 'running', new.attempts, null,
                          case when again then clock_timestamp() else coalesce(new.started_at, clock_timestamp()) end);
    elsif new.status = 'queued' and old.status = 'running' then
        perform job_event(new.id, false, 'status', 'queued', new.attempts, new.fault, clock_timestamp());
    end if;
    if new.stage is distinct from old.stage or new.status = 'succeeded' then
        again := new.stage is distinct from old.stage;
        for passed in
            select s.stage from unnest(job_stages(new.plan)) with ordinality s (stage, place)
            where (new.status = 'succeeded' or s.place <= array_position(job_stages(new.plan), new.stage))
                  and not exists (select from job_events e
                                  where e.job_id = new.id and e.kind = 'stage' and e.word = s.stage
                                        and e.released is not null)
            order by s.place
        loop
            perform job_event(new.id, true, 'stage', passed, new.attempts, null, clock_timestamp());
            again := again and passed <> new.stage;
        end loop;
        if again and new.stage is not null then
            perform job_event(new.id, false, 'stage', new.stage, new.attempts, null, clock_timestamp());
        end if;
    end if;
    if new.cancel_requested and not old.cancel_requested and new.status = 'running' then
        perform job_event(new.id, false, 'cancel', 'requested', new.attempts, null, clock_timestamp());
    end if;
    if final then
        perform job_event(new.id, true, 'status', new.status, new.attempts, new.error, new.finished_at);
    end if;
    return null;
end $$;
comment on function jobs_tell() is 'Writes down what an update did to a job.';
create trigger jobs_tell after update on jobs for each row
    when (old.status <> new.status or old.stage is distinct from new.stage or old.lease_epoch <> new.lease_epoch
          or old.cancel_requested <> new.cancel_requested)
    execute function jobs_tell();

create function jobs_reach() returns trigger language plpgsql as $$
declare
    stages text[] := job_stages(new.plan);
    here   integer := array_position(stages, new.stage);
    there  integer := coalesce(array_position(stages, new.reached_stage), 0);
begin
    if here > there or (here = there and new.step >= new.reached_step) then
        new.reached_stage := new.stage;
        new.reached_step := new.step;
        new.reached_steps := new.steps;
    end if;
    return new;
end $$;
comment on function jobs_reach() is 'Keeps how far the job ever came.';
create trigger jobs_reach before update on jobs for each row
    when (new.stage is not null and (old.stage is distinct from new.stage or old.step <> new.step or old.steps <> new.steps))
    execute function jobs_reach();

-- Jobs that are older than this table: what is known of them.
insert into job_events (job_id, seq, released, kind, word, attempt, error, at)
select id, row_number() over (partition by id order by place), row_number() over (partition by id order by place),
       kind, word, attempt, error, at
from (
    select id, 0 as place, 'status' as kind, 'queued' as word, 0 as attempt, null as error, created_at as at from jobs
    union all
    select id, 1, 'status', 'running', attempts, null, started_at from jobs where started_at is not null
    union all
    select j.id, 1 + s.place, 'stage', s.stage, j.attempts, null, j.started_at
    from jobs j, unnest(job_stages(j.plan)) with ordinality s (stage, place)
    where j.started_at is not null and s.place <= array_position(job_stages(j.plan), j.stage)
    union all
    select id, 100, 'status', status, attempts, error, finished_at from jobs where finished_at is not null
) known;
