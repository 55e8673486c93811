-- For whoever watches an installation: what is told at /metrics is counted from here (store::observe).

create index job_attempts_by_start on job_attempts (started_at);
comment on index job_attempts_by_start is 'Claims are counted from where they were counted last.';
create index job_attempts_by_end on job_attempts (ended_at, outcome) where ended_at is not null;
comment on index job_attempts_by_end is 'The same for ends.';

create table work_done (
    source      text not null,
    attempts    bigint not null,
    seconds     double precision not null,
    cpu_seconds double precision not null,
    joules      double precision not null,
    rows        bigint not null,
    row_seconds double precision not null,
    constraint work_done_pk primary key (source),
    constraint work_done_source_known check (source in ('rapl', 'nvidia-smi', 'estimate')),
    constraint work_done_not_negative check (
        attempts >= 0 and seconds >= 0 and cpu_seconds >= 0 and joules >= 0 and rows >= 0 and row_seconds >= 0)
);
comment on table work_done is 'What the training and generation of all jobs took so far, summed up. Workers add to it as they go; for the eye of the operator alone.';
comment on column work_done.source is 'Where the figure of energy comes from: rapl, nvidia-smi, or estimate.';
comment on column work_done.attempts is 'Attempts that came to the end of their generation.';
comment on column work_done.seconds is 'Seconds of these attempts by the clock.';
comment on column work_done.cpu_seconds is 'Seconds of processors, all cores together.';
comment on column work_done.joules is 'Joules.';
comment on column work_done.rows is 'Rows that were written for tables.';
comment on column work_done.row_seconds is 'Seconds by the clock that it took to write them.';
