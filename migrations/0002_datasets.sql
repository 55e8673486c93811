-- Tables that custodians uploaded. Rows themselves lie in blobs, encoded by the declared schema.

create table datasets (
    id              uuid not null,
    name            text not null,
    population_id   uuid not null,
    schema          jsonb not null,
    public          boolean not null default false,
    rows_public     bigint not null,
    person_column   text,
    person_max_rows integer,
    persons_public  bigint,
    holdout         double precision not null,
    created_at      timestamptz not null default now(),
    deleted_at      timestamptz,
    constraint datasets_pk primary key (id),
    constraint datasets_population_fk foreign key (population_id) references populations (id),
    constraint datasets_name_not_empty check (name <> ''),
    -- Whoever has several rows of a table that is no secret needs no protection as one unit.
    constraint datasets_public_rows_stand_alone check (not public or person_column is null),
    constraint datasets_rows_public_positive check (rows_public > 0),
    constraint datasets_persons_whole check (
        (person_column is null) = (person_max_rows is null) and (person_column is null) = (persons_public is null)),
    constraint datasets_persons_positive check (person_max_rows > 0 and persons_public > 0),
    constraint datasets_holdout_is_a_share check (holdout >= 0 and holdout <= 0.5)
);
comment on table datasets is 'A declared table: public facts only.';
comment on column datasets.id is 'UUIDv7.';
comment on column datasets.name is 'The custodian''s name for it; usable in place of the id.';
comment on column datasets.population_id is 'Whose budget its jobs spend.';
comment on column datasets.schema is 'The declared columns in canonical form.';
comment on column datasets.public is 'Whether its custodian declared its rows public: only then may a job train on them without privacy, or use them for another table''s sake. Never changes.';
comment on column datasets.rows_public is 'About how many rows there are, as declared; the constant in every normaliser and sampling rate where rows are the unit of privacy.';
comment on column datasets.person_column is 'The column of uploads that says whose row it is, where persons are the unit of privacy; not one of the schema''s.';
comment on column datasets.person_max_rows is 'The first so many rows of each person count.';
comment on column datasets.persons_public is 'About how many persons there are, as declared; the constant in every normaliser and sampling rate where they are the unit.';
comment on column datasets.holdout is 'The share of uploaded units of privacy, rows or persons, each chosen by an independent coin, that no training sees: reports test on them.';
comment on column datasets.created_at is 'When it was declared.';
comment on column datasets.deleted_at is 'When its rows were destroyed, if they were. What jobs made of them stays, and so does the budget.';
create unique index datasets_name_unique on datasets (name) where deleted_at is null;
comment on index datasets_name_unique is 'A name may be declared anew after a deletion; it stays bound to its population.';
create index datasets_by_population on datasets (population_id);

create function datasets_guard() returns trigger language plpgsql as $$
begin
    if new.public <> old.public or new.population_id <> old.population_id then
        raise exception 'what protects the rows of a dataset does not change' using errcode = 'restrict_violation';
    end if;
    return new;
end $$;
comment on function datasets_guard() is 'Refuses to declare rows public, or private, after the fact, and to bind them to another budget.';
create trigger datasets_guard before update on datasets for each row execute function datasets_guard();

create table dataset_versions (
    dataset_id uuid not null,
    version    integer not null,
    rows       bigint not null,
    bytes      bigint not null,
    sha256     text,
    blob       text,
    created_at timestamptz not null default now(),
    constraint dataset_versions_pk primary key (dataset_id, version),
    constraint dataset_versions_dataset_fk foreign key (dataset_id) references datasets (id),
    constraint dataset_versions_counted_from_one check (version >= 1)
);
comment on table dataset_versions is 'Each accepted upload of a dataset. A new upload restores no budget.';
comment on column dataset_versions.dataset_id is 'The dataset.';
comment on column dataset_versions.version is '1, 2, 3 in the order of upload.';
comment on column dataset_versions.rows is 'Rows accepted; custodian view.';
comment on column dataset_versions.bytes is 'Bytes of the body as it was sent; custodian view.';
comment on column dataset_versions.sha256 is 'SHA-256 of the body as it was sent, in hex; custodian view. Null once the dataset is deleted.';
comment on column dataset_versions.blob is 'The blob that holds the encoded rows; null once the dataset is deleted.';
comment on column dataset_versions.created_at is 'When the upload was complete.';
