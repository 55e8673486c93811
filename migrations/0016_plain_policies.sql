-- no-transaction
-- Policies ask in one way only. For EXISTS PostgreSQL keeps two plans and chooses between them, apart for each min() and max()
-- of a statement that it answers from an index; what one of those discards, another may still need ("subplan was not
-- initialized", seen with 15.18). A scalar sub-select has a single plan.
--
-- Table by table, each for itself: servers of before may be at work, and take locks in their own order. Repeated, it does no harm.
do $$
declare
    owned text;
begin
    foreach owned in array array['job_attempts', 'job_events', 'private_blocks', 'webhook_deliveries', 'artifacts',
                                'certificates'] loop
        execute format('alter policy tenant on %I using ((select true from jobs j where j.id = job_id))', owned);
        commit;
    end loop;
    foreach owned in array array['dataset_versions', 'blob_keys', 'destructions'] loop
        execute format('alter policy tenant on %I using ((select true from datasets d where d.id = dataset_id))', owned);
        commit;
    end loop;
    alter policy tenant on ledger_entries using ((select true from populations p where p.id = population_id));
end $$;
