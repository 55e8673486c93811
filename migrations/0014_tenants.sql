-- Tenants are kept from each other: whose a row is decides who sees it, and PostgreSQL sees to that, whatever a statement
-- asks for.
--
-- Requests are served as the role dp2stage_tenant, with the tenant in the setting dp2stage.tenant, both for one
-- transaction. Row-level security is forced on every table that holds what is somebody's. The operator (whoever owns the
-- tables: workers, the command line) sees all.
--
-- What was there before belongs to the tenant `default`: until now tenants only took turns in the queue.

do $$ begin
    if not exists (select from pg_roles where rolname = 'dp2stage_tenant') then
        create role dp2stage_tenant nologin;
    end if;
exception
    -- Another database of this cluster was quicker.
    when duplicate_object or unique_violation then null;
end $$;
do $$ begin
    -- Superusers are members of everything.
    if not pg_has_role(current_user, 'dp2stage_tenant', 'member') then
        execute format('grant dp2stage_tenant to %I', current_user);
    end if;
end $$;

create function tenant_asking() returns text language sql stable as $$
    select coalesce(nullif(current_setting('dp2stage.tenant', true), ''), 'default')
$$;
comment on function tenant_asking() is 'The tenant on whose behalf this transaction runs; default for the operator.';

alter table populations
    add column tenant text not null default tenant_asking(),
    add constraint populations_tenant_named check (length(tenant) between 1 and 64),
    add constraint populations_of_tenant unique (id, tenant);
comment on column populations.tenant is 'Whose budget it is. Never changes.';

alter table datasets
    add column tenant text not null default tenant_asking(),
    add constraint datasets_tenant_named check (length(tenant) between 1 and 64),
    add constraint datasets_of_tenant unique (id, tenant),
    drop constraint datasets_population_fk,
    add constraint datasets_population_fk foreign key (population_id, tenant) references populations (id, tenant);
comment on column datasets.tenant is 'Whose table it is. Never changes.';
drop index datasets_name_unique;
create unique index datasets_name_unique on datasets (tenant, name) where deleted_at is null;
comment on index datasets_name_unique is 'Each tenant has names of its own. A name may be declared anew after a deletion; it stays bound to its population.';

update jobs set tenant = 'default' where tenant <> 'default';
alter table jobs
    add constraint jobs_dataset_of_tenant_fk foreign key (dataset_id, tenant) references datasets (id, tenant),
    drop constraint jobs_population_fk,
    add constraint jobs_population_fk foreign key (population_id, tenant) references populations (id, tenant);
comment on column jobs.tenant is 'The tenant of its dataset.';
create index jobs_by_tenant on jobs (tenant, id);
comment on index jobs_by_tenant is 'For lists of jobs, which are one tenant''s.';

alter table idempotency_keys
    add column tenant text not null default tenant_asking(),
    drop constraint idempotency_keys_pk,
    add constraint idempotency_keys_pk primary key (tenant, key);
comment on column idempotency_keys.tenant is 'Whose key it is: two tenants may choose the same.';

comment on column api_keys.tenant is 'On whose behalf it calls: it opens what is this tenant''s.';

create or replace function populations_guard() returns trigger language plpgsql as $$
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
    if new.tenant <> old.tenant then
        raise exception 'whose it is does not change' using errcode = 'restrict_violation';
    end if;
    return new;
end $$;

create or replace function datasets_guard() returns trigger language plpgsql as $$
begin
    if new.public <> old.public or new.population_id <> old.population_id then
        raise exception 'what protects the rows of a dataset does not change' using errcode = 'restrict_violation';
    end if;
    if new.tenant <> old.tenant then
        raise exception 'whose it is does not change' using errcode = 'restrict_violation';
    end if;
    return new;
end $$;

-- What one must know of all tenants to serve one.
create function jobs_queued() returns bigint language sql stable security definer set search_path from current as $$
    select count(*) from jobs where status = 'queued'
$$;
comment on function jobs_queued() is 'Jobs that wait, of all tenants: there is one queue.';
create function audit_tenant(opened bigint) returns text language sql stable security definer set search_path from current as $$
    select e.tenant from audit_entries e where e.seq = $1
$$;
create index audit_entries_by_tenant on audit_entries (tenant, seq) where opened is null;
comment on index audit_entries_by_tenant is 'For the list of what happened on behalf of a tenant, and to know whether there are several.';
comment on function audit_tenant(bigint) is 'On whose behalf a line of the audit log was opened.';

do $$
declare
    owned text;
begin
    foreach owned in array array[
        'populations', 'ledger_entries', 'datasets', 'dataset_versions', 'blob_keys', 'jobs', 'job_attempts',
        'job_events', 'private_blocks', 'webhook_deliveries', 'artifacts', 'certificates', 'idempotency_keys', 'api_keys', 'audit_entries']
    loop
        execute format('alter table %I enable row level security, force row level security', owned);
        execute format('create policy operator on %I to current_user using (true)', owned);
    end loop;
    -- Whose it says itself.
    foreach owned in array array['populations', 'datasets', 'jobs', 'idempotency_keys', 'api_keys'] loop
        execute format('create policy tenant on %I to dp2stage_tenant
                        using (tenant = current_setting(''dp2stage.tenant'', true))', owned);
    end loop;
    -- Whose the job is.
    foreach owned in array array['job_attempts', 'job_events', 'private_blocks', 'webhook_deliveries', 'artifacts',
                                'certificates'] loop
        execute format('create policy tenant on %I to dp2stage_tenant
                        using (exists (select from jobs j where j.id = job_id))', owned);
    end loop;
    -- Whose the dataset is.
    foreach owned in array array['dataset_versions', 'blob_keys'] loop
        execute format('create policy tenant on %I to dp2stage_tenant
                        using (exists (select from datasets d where d.id = dataset_id))', owned);
    end loop;
end $$;
create policy tenant on ledger_entries to dp2stage_tenant
    using (exists (select from populations p where p.id = population_id));
create policy tenant on audit_entries to dp2stage_tenant
    using (case when opened is null then tenant else audit_tenant(opened) end = current_setting('dp2stage.tenant', true));

grant select, insert, update on populations, datasets, dataset_versions, jobs, idempotency_keys, api_keys to dp2stage_tenant;
grant select, insert on ledger_entries, job_events, webhook_deliveries, certificates to dp2stage_tenant;
grant select, insert, delete on blob_keys to dp2stage_tenant;
grant select, delete on artifacts to dp2stage_tenant;
grant select, update on job_attempts to dp2stage_tenant;
grant select on private_blocks, audit_entries, workers to dp2stage_tenant;

-- Programs of before would serve every tenant everything.
update compatibility set migrations_needed = 14;
