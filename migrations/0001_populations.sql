-- The people whose privacy is spent, and the book that says how.
-- Two coordinates are counted (privacy::ledger): mu squared, the squared mean of a Gaussian, in units of
-- 1e-12 ("pico"), and leaks, probabilities, in units of 1e-18 ("atto"): whatever can refuse is an integer.

create table populations (
    id                 uuid not null,
    unit               text not null,
    units_public       bigint not null,
    epsilon            double precision not null,
    delta              double precision not null,
    cap_mu2_pico       bigint not null,
    cap_leak_atto      bigint not null,
    spent_mu2_pico     bigint not null default 0,
    spent_leak_atto    bigint not null default 0,
    reserved_mu2_pico  bigint not null default 0,
    reserved_leak_atto bigint not null default 0,
    entries            bigint not null default 0,
    head               bytea not null default decode(repeat('00', 32), 'hex'),
    created_at         timestamptz not null default now(),
    constraint populations_pk primary key (id),
    constraint populations_unit_known check (unit in ('row', 'person')),
    constraint populations_units_public_positive check (units_public > 0),
    constraint populations_nothing_negative check (
        spent_mu2_pico >= 0 and spent_leak_atto >= 0 and reserved_mu2_pico >= 0 and reserved_leak_atto >= 0),
    -- The last line of defence; the rule itself is privacy::Account::admit.
    constraint populations_mu2_within_cap check (spent_mu2_pico + reserved_mu2_pico <= cap_mu2_pico),
    constraint populations_leak_within_cap check (spent_leak_atto + reserved_leak_atto <= cap_leak_atto),
    constraint populations_head_is_sha256 check (length(head) = 32)
);
comment on table populations is 'One budget and the people it protects, over all datasets and versions that hold rows of them. Locked (for update) by every transaction that reserves, charges or releases.';
comment on column populations.id is 'UUIDv7.';
comment on column populations.unit is 'What one unit of privacy is: row, or person (all rows of one person).';
comment on column populations.units_public is 'About how many units there are, as the custodian declared it; public, never counted from the rows.';
comment on column populations.epsilon is 'The granted epsilon: what is guaranteed about everything that is ever released.';
comment on column populations.delta is 'The granted delta. Never changes.';
comment on column populations.cap_mu2_pico is 'What the grant buys, mu squared in units of 1e-12.';
comment on column populations.cap_leak_atto is 'What the grant buys, leaks in units of 1e-18.';
comment on column populations.spent_mu2_pico is 'Charged, mu squared in units of 1e-12. Never falls.';
comment on column populations.spent_leak_atto is 'Charged, leaks in units of 1e-18. Never falls.';
comment on column populations.reserved_mu2_pico is 'Held by admitted jobs for what they have not been charged, mu squared in units of 1e-12.';
comment on column populations.reserved_leak_atto is 'Held by admitted jobs for what they have not been charged, leaks in units of 1e-18.';
comment on column populations.entries is 'Lines of its ledger.';
comment on column populations.head is 'The digest of the last line.';
comment on column populations.created_at is 'When the budget was granted.';

create function populations_guard() returns trigger language plpgsql as $$
begin
    if tg_op = 'DELETE' then
        raise exception 'a budget outlives its datasets' using errcode = 'restrict_violation';
    end if;
    if new.spent_mu2_pico < old.spent_mu2_pico or new.spent_leak_atto < old.spent_leak_atto
        or new.entries < old.entries then
        raise exception 'what was spent stays spent' using errcode = 'restrict_violation';
    end if;
    if new.delta <> old.delta or new.epsilon < old.epsilon or new.unit <> old.unit
        or new.units_public <> old.units_public then
        raise exception 'a grant may be raised in epsilon alone' using errcode = 'restrict_violation';
    end if;
    return new;
end $$;
comment on function populations_guard() is 'Refuses to lower what was spent, to change what a grant means, and to delete a budget.';
create trigger populations_guard before update or delete on populations
    for each row execute function populations_guard();

create table ledger_entries (
    population_id uuid not null,
    seq           bigint not null,
    job_id        uuid,
    kind          text not null,
    block         integer not null,
    mu2_pico      bigint not null,
    leak_atto     bigint not null,
    at_micros     bigint not null,
    record        text not null,
    digest        bytea not null,
    constraint ledger_entries_pk primary key (population_id, seq),
    constraint ledger_entries_population_fk foreign key (population_id) references populations (id),
    constraint ledger_entries_counted_from_one check (seq >= 1),
    constraint ledger_entries_kind_known check (kind in ('grant', 'reservation', 'charge', 'release')),
    constraint ledger_entries_not_negative check (mu2_pico >= 0 and leak_atto >= 0),
    constraint ledger_entries_job_named check ((kind = 'grant') = (job_id is null)),
    constraint ledger_entries_blocks_are_charges check (block = 0 or (block > 0 and kind = 'charge')),
    constraint ledger_entries_once unique (job_id, kind, block)
);
comment on table ledger_entries is 'Append-only and chained: every grant, reservation, charge and release. The totals in populations are the fold of this table; `dp2stage verify` computes all of it again.';
comment on column ledger_entries.population_id is 'Whose budget.';
comment on column ledger_entries.seq is '1, 2, 3 in the order of writing, in each ledger.';
comment on column ledger_entries.job_id is 'The job that spends; null for a grant. Not a foreign key: the ledger outlives jobs.';
comment on column ledger_entries.kind is 'grant: the custodian allowed it; the amount is the cap from here on. reservation: an admitted job holds it. charge: irrevocable, written before the first noise is drawn. release: what a job holds handed back untouched.';
comment on column ledger_entries.block is 'The ordinal of the block where blocks are charged one by one, else 0.';
comment on column ledger_entries.mu2_pico is 'Mu squared in units of 1e-12.';
comment on column ledger_entries.leak_atto is 'The leak in units of 1e-18.';
comment on column ledger_entries.at_micros is 'When it was written, in microseconds of Unix time.';
comment on column ledger_entries.record is 'The details as JSON, byte for byte as the digest covers them.';
comment on column ledger_entries.digest is 'SHA-256 over this line and the digest of the line before.';
create unique index ledger_entries_one_end on ledger_entries (job_id) where kind in ('charge', 'release') and block = 0;
comment on index ledger_entries_one_end is 'A plan is charged as a whole or its rest is handed back, never both.';

create function ledger_append_only() returns trigger language plpgsql as $$
begin
    raise exception 'the ledger is append-only' using errcode = 'restrict_violation';
end $$;
comment on function ledger_append_only() is 'Refuses every change of a ledger entry.';
create trigger ledger_entries_append_only before update or delete on ledger_entries
    for each row execute function ledger_append_only();
create trigger ledger_entries_no_truncate before truncate on ledger_entries
    for each statement execute function ledger_append_only();
