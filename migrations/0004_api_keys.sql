-- Who may call. The secret itself is shown once and never stored.

create table api_keys (
    id         text not null,
    secret     bytea not null,
    role       text not null,
    created_at timestamptz not null default now(),
    revoked_at timestamptz,
    constraint api_keys_pk primary key (id),
    constraint api_keys_secret_is_sha256 check (length(secret) = 32),
    constraint api_keys_role_known check (role in ('admin', 'custodian', 'analyst'))
);
comment on table api_keys is 'Keys of the API.';
comment on column api_keys.id is 'The public part of a key, by which it is found.';
comment on column api_keys.secret is 'SHA-256 of the secret part, which has 256 bits of entropy.';
comment on column api_keys.role is 'What the key may do. analyst: jobs within granted budgets, and what is released. custodian: uploads, budgets and exact figures too. admin: everything.';
comment on column api_keys.created_at is 'When it was made.';
comment on column api_keys.revoked_at is 'When it was revoked, if it was.';
