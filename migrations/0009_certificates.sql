-- Certificates: what is signed about succeeded jobs. The private keys are in files, and never here.

create table certificate_keys (
    id         text not null,
    public_key bytea not null,
    since      timestamptz not null default clock_timestamp(),
    retired_at timestamptz,
    constraint certificate_keys_pk primary key (id),
    constraint certificate_keys_of_ed25519 check (octet_length(public_key) = 32)
);
comment on table certificate_keys is 'The public keys that certificates of this installation are checked with. None is ever removed: old certificates stay valid.';
comment on column certificate_keys.id is 'Its thumbprint (RFC 7638), which signatures name.';
comment on column certificate_keys.public_key is 'The key.';
comment on column certificate_keys.since is 'When a server was first ready to sign with it.';
comment on column certificate_keys.retired_at is 'When another took its place; null while servers sign with it.';

create table certificates (
    job_id    uuid not null,
    key_id    text not null,
    envelope  text not null,
    issued_at timestamptz not null default clock_timestamp(),
    constraint certificates_pk primary key (job_id),
    constraint certificates_job_fk foreign key (job_id) references jobs (id),
    constraint certificates_key_fk foreign key (key_id) references certificate_keys (id)
);
comment on table certificates is 'The certificate of each job that somebody asked for: issued once, the same bytes for whoever asks again.';
comment on column certificates.job_id is 'The job, which has succeeded.';
comment on column certificates.key_id is 'The key that signed it.';
comment on column certificates.envelope is 'The signed certificate as JSON.';
comment on column certificates.issued_at is 'When it was kept.';

create function certificates_stay() returns trigger language plpgsql as $$
begin
    raise exception 'a certificate that was issued stays as it is' using errcode = 'restrict_violation';
end $$;
comment on function certificates_stay() is 'Refuses every change of a certificate.';
create trigger certificates_stay before update or delete on certificates
    for each row execute function certificates_stay();

alter table jobs add column finished_by text;
comment on column jobs.finished_by is 'The version of the program that finished it with results; null on others, and on jobs of older programs.';
