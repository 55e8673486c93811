-- The people whose privacy is spent, and the book that says how.
-- Epsilon is counted in units of 1e-12 ("pico") and delta in units of 1e-18 ("atto"): whatever can
-- refuse is an integer.

create table populations (
    id                   uuid not null,
    rows_public          bigint not null,
    granted_epsilon_pico bigint not null,
    granted_delta_atto   bigint not null,
    spent_epsilon_pico   bigint not null default 0,
    spent_delta_atto     bigint not null default 0,
    reserved_epsilon_pico bigint not null default 0,
    reserved_delta_atto  bigint not null default 0,
    created_at           timestamptz not null default now(),
    constraint populations_pk primary key (id),
    constraint populations_rows_public_positive check (rows_public > 0),
    constraint populations_nothing_negative check (
        spent_epsilon_pico >= 0 and spent_delta_atto >= 0
        and reserved_epsilon_pico >= 0 and reserved_delta_atto >= 0),
    -- The last line of defence; the rule itself is privacy::Account::admit.
    constraint populations_epsilon_within_grant check (
        spent_epsilon_pico + reserved_epsilon_pico <= granted_epsilon_pico),
    constraint populations_delta_within_grant check (
        spent_delta_atto + reserved_delta_atto <= granted_delta_atto)
);
comment on table populations is 'One budget and the people it protects. Locked (for update) by every transaction that reserves, charges or releases.';
comment on column populations.id is 'UUIDv7.';
comment on column populations.rows_public is 'About how many privacy units there are, as the custodian declared it; public, never counted from the rows.';
comment on column populations.granted_epsilon_pico is 'Granted epsilon in units of 1e-12.';
comment on column populations.granted_delta_atto is 'Granted delta in units of 1e-18.';
comment on column populations.spent_epsilon_pico is 'Charged epsilon in units of 1e-12. Never falls.';
comment on column populations.spent_delta_atto is 'Charged delta in units of 1e-18. Never falls.';
comment on column populations.reserved_epsilon_pico is 'Epsilon held by admitted jobs that have not touched a private row, in units of 1e-12.';
comment on column populations.reserved_delta_atto is 'Delta held by admitted jobs that have not touched a private row, in units of 1e-18.';
comment on column populations.created_at is 'When the budget was granted.';

create function populations_guard() returns trigger language plpgsql as $$
begin
    if tg_op = 'DELETE' then
        raise exception 'a budget outlives its datasets' using errcode = 'restrict_violation';
    end if;
    if new.spent_epsilon_pico < old.spent_epsilon_pico or new.spent_delta_atto < old.spent_delta_atto then
        raise exception 'what was spent stays spent' using errcode = 'restrict_violation';
    end if;
    return new;
end $$;
comment on function populations_guard() is 'Refuses to lower what was spent and to delete a budget.';
create trigger populations_guard before update or delete on populations
    for each row execute function populations_guard();

create table ledger_entries (
    id            bigint generated always as identity,
    population_id uuid not null,
    job_id        uuid,
    kind          text not null,
    epsilon_pico  bigint not null,
    delta_atto    bigint not null,
    event         jsonb,
    at            timestamptz not null default now(),
    constraint ledger_entries_pk primary key (id),
    constraint ledger_entries_population_fk foreign key (population_id) references populations (id),
    constraint ledger_entries_kind_known check (kind in ('grant', 'reservation', 'charge', 'release')),
    constraint ledger_entries_not_negative check (epsilon_pico >= 0 and delta_atto >= 0),
    constraint ledger_entries_job_named check ((kind = 'grant') = (job_id is null)),
    constraint ledger_entries_once unique (job_id, kind)
);
comment on table ledger_entries is 'Append-only: every grant, reservation, charge and release. The totals in populations are the fold of this table.';
comment on column ledger_entries.id is 'Order of writing.';
comment on column ledger_entries.population_id is 'Whose budget.';
comment on column ledger_entries.job_id is 'The job that spends; null for a grant. Not a foreign key: the ledger outlives jobs.';
comment on column ledger_entries.kind is 'grant: the custodian allowed it. reservation: an admitted job holds it. charge: irrevocable, written before the first noise is drawn. release: a reservation handed back untouched.';
comment on column ledger_entries.epsilon_pico is 'Epsilon in units of 1e-12.';
comment on column ledger_entries.delta_atto is 'Delta in units of 1e-18.';
comment on column ledger_entries.event is 'The mechanism, as a DpEvent tree; set on charges.';
comment on column ledger_entries.at is 'When it was written.';
create unique index ledger_entries_one_end on ledger_entries (job_id) where kind in ('charge', 'release');
comment on index ledger_entries_one_end is 'A reservation is charged or handed back, never both.';
create index ledger_entries_by_population on ledger_entries (population_id, id);

create function ledger_append_only() returns trigger language plpgsql as $$
begin
    raise exception 'the ledger is append-only' using errcode = 'restrict_violation';
end $$;
comment on function ledger_append_only() is 'Refuses every change of a ledger entry.';
create trigger ledger_entries_append_only before update or delete on ledger_entries
    for each row execute function ledger_append_only();
create trigger ledger_entries_no_truncate before truncate on ledger_entries
    for each statement execute function ledger_append_only();
