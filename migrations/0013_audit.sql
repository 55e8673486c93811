-- Who did what: the audit log, append-only and chained as the ledger is.
--
-- Every write is two lines: it is opened before anything is done, and completed when its answer is known. What is
-- opened and never completed is what a crash, or the loss of the database, cut off. No line holds a body, a query or a
-- cell.

create table audit_head (
    one     boolean not null default true,
    entries bigint not null default 0,
    head    bytea not null default decode(repeat('00', 32), 'hex'),
    constraint audit_head_pk primary key (one),
    constraint audit_head_is_one_row check (one),
    constraint audit_head_is_sha256 check (length(head) = 32)
);
comment on table audit_head is 'Where the log ends: one row, locked (for update) while lines are appended, many at a time.';
comment on column audit_head.one is 'Always true: there is one log.';
comment on column audit_head.entries is 'Lines of the log.';
comment on column audit_head.head is 'The digest of the last line.';
insert into audit_head default values;

create function audit_head_guard() returns trigger language plpgsql as $$
begin
    if tg_op = 'UPDATE' then
        if new.entries > old.entries then
            return new;
        end if;
    end if;
    raise exception 'the audit log only grows' using errcode = 'restrict_violation';
end $$;
comment on function audit_head_guard() is 'Refuses to shorten the audit log.';
create trigger audit_head_guard before update or delete on audit_head
    for each row execute function audit_head_guard();
create trigger audit_head_no_truncate before truncate on audit_head
    for each statement execute function audit_head_guard();

create table audit_entries (
    seq        bigint not null,
    opened     bigint,
    at_micros  bigint not null,
    request_id text,
    key_id     text,
    role       text,
    tenant     text,
    method     text,
    route      text,
    objects    text[] not null,
    status     integer,
    digest     bytea not null,
    constraint audit_entries_pk primary key (seq),
    constraint audit_entries_counted_from_one check (seq >= 1),
    constraint audit_entries_opened_fk foreign key (opened) references audit_entries (seq),
    constraint audit_entries_opened_before check (opened < seq),
    constraint audit_entries_openings_say_who check (
        (opened is null) = (num_nulls(request_id, role, tenant, method, route) = 0)),
    constraint audit_entries_completions_say_how check (
        opened is null and status is null
        or opened is not null and num_nonnulls(request_id, key_id, role, tenant, method, route) = 0),
    constraint audit_entries_role_known check (role in ('admin', 'custodian', 'analyst', 'operator')),
    constraint audit_entries_status_of_http check (status between 100 and 599),
    constraint audit_entries_digest_is_sha256 check (length(digest) = 32)
);
comment on table audit_entries is 'Append-only and chained: who wrote, or read exact facts, when, and how it ended. `dp2stage verify` reads it from the first line.';
comment on column audit_entries.seq is '1, 2, 3 in the order of writing.';
comment on column audit_entries.opened is 'On a completion: the line that it completes. Null on an opening.';
comment on column audit_entries.at_micros is 'When it was written, in microseconds of Unix time, by the database''s clock.';
comment on column audit_entries.request_id is 'The X-Request-Id, or a fresh id for what the command line did.';
comment on column audit_entries.key_id is 'The public part of the key; null without keys (--dev) and on the command line.';
comment on column audit_entries.role is 'What the key may do; operator for the command line.';
comment on column audit_entries.tenant is 'On whose behalf.';
comment on column audit_entries.method is 'The method of HTTP, or CLI.';
comment on column audit_entries.route is 'The template of the route, or the command: never a path as it was asked for.';
comment on column audit_entries.objects is 'Ids of what was asked to change (on an opening) and of what was made or touched (on a completion).';
comment on column audit_entries.status is 'On a completion: the status of the answer; null when it was given up without one, because the client went away.';
comment on column audit_entries.digest is 'SHA-256 over this line and the digest of the line before.';
create unique index audit_entries_completed_once on audit_entries (opened) where opened is not null;
comment on index audit_entries_completed_once is 'Nothing ends twice.';
create index audit_entries_by_key on audit_entries (key_id, seq) where opened is null;
comment on index audit_entries_by_key is 'For the list of what a key did.';
create index audit_entries_by_time on audit_entries (at_micros) where opened is null;
comment on index audit_entries_by_time is 'For the list of what happened in a time.';
create index audit_entries_by_object on audit_entries using gin (objects);
comment on index audit_entries_by_object is 'For the list of what happened to something.';

create function audit_append_only() returns trigger language plpgsql as $$
begin
    raise exception 'the audit log is append-only' using errcode = 'restrict_violation';
end $$;
comment on function audit_append_only() is 'Refuses every change of a line of the audit log.';
create trigger audit_entries_append_only before update or delete on audit_entries
    for each row execute function audit_append_only();
create trigger audit_entries_no_truncate before truncate on audit_entries
    for each statement execute function audit_append_only();
