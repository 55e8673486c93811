-- Figures about the synthetic table that a job bought for everybody.

alter table artifacts drop constraint artifacts_kind_known;
alter table artifacts add constraint artifacts_kind_known
    check (kind in ('synthetic', 'report', 'model', 'distribution', 'figures'));
comment on column artifacts.kind is 'synthetic: encoded rows. report: JSON, custodian view. model: weights as safetensors. distribution: what was fitted to noisy counts. figures: JSON, released view, bought with epsilon.';
