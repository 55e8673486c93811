//! A superuser who edits the ledger behind the service's back is found out, whatever bit it is.

use std::time::Duration;

use dp2stage::store;
use rand::{Rng, SeedableRng};
use sqlx::{AssertSqlSafe, PgPool};

use super::budgets::{submit, table, whole};
use crate::support::fresh_database;

/// Every column of the ledger and of the totals beside it that means something, with its kind.
const COLUMNS: [(&str, &str, Kind); 21] = [
    ("ledger_entries", "population_id", Kind::Uuid),
    ("ledger_entries", "job_id", Kind::Uuid),
    ("ledger_entries", "seq", Kind::Whole),
    ("ledger_entries", "block", Kind::Whole),
    ("ledger_entries", "mu2_pico", Kind::Whole),
    ("ledger_entries", "leak_atto", Kind::Whole),
    ("ledger_entries", "at_micros", Kind::Whole),
    ("ledger_entries", "record", Kind::Text),
    ("ledger_entries", "kind", Kind::Text),
    ("ledger_entries", "digest", Kind::Bytes),
    ("populations", "unit", Kind::Text),
    ("populations", "units_public", Kind::Whole),
    ("populations", "epsilon", Kind::Number),
    ("populations", "delta", Kind::Number),
    ("populations", "cap_mu2_pico", Kind::Whole),
    ("populations", "cap_leak_atto", Kind::Whole),
    ("populations", "spent_mu2_pico", Kind::Whole),
    ("populations", "spent_leak_atto", Kind::Whole),
    ("populations", "reserved_mu2_pico", Kind::Whole),
    ("populations", "entries", Kind::Whole),
    ("populations", "head", Kind::Bytes),
];

#[derive(Clone, Copy)]
enum Kind {
    Whole,
    Number,
    Text,
    Bytes,
    Uuid,
}

#[tokio::test]
async fn every_single_bit_that_is_edited_is_found() {
    let database = fresh_database().await;
    let pool = &database.pool;
    let dataset = table(pool, 1.0).await;
    for share in [0.2, 0.3, 0.1] {
        submit(pool, &dataset, whole(1.0, share)).await.unwrap();
        let lease = store::claim(pool, "w", Duration::from_secs(600)).await.unwrap().unwrap().lease;
        if share > 0.1 {
            store::claim_block(pool, lease, 0).await.unwrap();
        }
        store::fail(pool, lease, "worker_error").await.unwrap();
    }
    let sound = store::budget(pool, dataset.population_id).await.unwrap();
    sound.verify(true).unwrap();
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(rand::random());
    let (mut edits, mut refused) = (0, 0);
    while edits < 1000 {
        let (table, column, kind) = COLUMNS[rng.random_range(0..COLUMNS.len())];
        // The first line is a grant and names no job.
        let seq = rng.random_range(if column == "job_id" { 2 } else { 1 }..=sound.book.entries.len());
        let row = match table {
            "ledger_entries" => format!("population_id = '{}' and seq = {seq}", dataset.population_id),
            _ => format!("id = '{}'", dataset.population_id),
        };
        let mut tx = pool.begin().await.unwrap();
        // As a superuser may: no triggers, no foreign keys.
        sqlx::query("set local session_replication_role = replica").execute(&mut *tx).await.unwrap();
        let expression = flip(pool, (table, column, &row), kind, &mut rng).await;
        let edit = format!("update {table} set {column} = {expression} where {row}");
        edits += 1;
        if sqlx::query(AssertSqlSafe(edit.clone())).execute(&mut *tx).await.is_err() {
            // A check of the table said no.
            refused += 1;
            continue;
        }
        tx.commit().await.unwrap();
        let found = store::budget(pool, dataset.population_id).await.is_ok_and(|budget| budget.verify(false).is_ok());
        assert!(!found, "not found: {edit}");
        restore(pool, &sound).await;
    }
    assert!(refused < 400, "{refused} edits were refused by the tables: too few were left to be found");
    store::budget(pool, dataset.population_id).await.unwrap().verify(true).unwrap();
}

/// An SQL expression for the column's value with one bit the other way round.
async fn flip(pool: &PgPool, (table, column, row): (&str, &str, &str), kind: Kind, rng: &mut impl Rng) -> String {
    let bit: u32 = rng.random();
    match kind {
        Kind::Uuid => {
            let bytes = format!("uuid_send({column})");
            format!("encode(set_bit({bytes}, {0}, 1 - get_bit({bytes}, {0})), 'hex')::uuid", bit % 128)
        }
        Kind::Whole if column == "block" => format!("{column} # {}", 1 << (bit % 31)),
        Kind::Whole => format!("{column} # {}::bigint", 1i64 << (bit % 63)),
        Kind::Bytes => format!("set_bit({column}, {}, 1 - get_bit({column}, {}))", bit % 256, bit % 256),
        Kind::Number => {
            let read = format!("select {column} from {table} where {row}");
            let number: f64 = sqlx::query_scalar(AssertSqlSafe(read)).fetch_one(pool).await.unwrap();
            let flipped = f64::from_bits(number.to_bits() ^ (1 << (bit % 63)));
            format!("'{flipped:e}'::float8")
        }
        Kind::Text => {
            let read = format!("select {column} from {table} where {row}");
            let text: String = sqlx::query_scalar(AssertSqlSafe(read)).fetch_one(pool).await.unwrap();
            let mut bytes = text.into_bytes();
            let at = bit as usize % bytes.len();
            let flipped = bytes[at] ^ (1 << (bit / 1000 % 7));
            bytes[at] = if flipped == 0 { bytes[at] ^ 1 } else { flipped };
            format!("convert_from(decode('{}', 'hex'), 'UTF8')", hex::encode(bytes))
        }
    }
}

/// Puts everything back as it was.
async fn restore(pool: &PgPool, sound: &store::Budget) {
    let mut tx = pool.begin().await.unwrap();
    sqlx::query("set local session_replication_role = replica").execute(&mut *tx).await.unwrap();
    let id = sound.population.id;
    sqlx::query("delete from ledger_entries").execute(&mut *tx).await.unwrap();
    for e in &sound.book.entries {
        sqlx::query(
            "insert into ledger_entries
                 (population_id, seq, job_id, kind, block, mu2_pico, leak_atto, at_micros, record, digest)
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        )
        .bind(id)
        .bind(e.seq)
        .bind(e.job_id)
        .bind(e.kind.word())
        .bind(e.block)
        .bind(e.amount.mu2_pico)
        .bind(e.amount.leak_atto)
        .bind(e.at_micros)
        .bind(&e.record)
        .bind(e.digest.as_slice())
        .execute(&mut *tx)
        .await
        .unwrap();
    }
    let (p, a) = (&sound.population, &sound.population.account);
    sqlx::query(
        "update populations set unit = $2, units_public = $3, epsilon = $4, delta = $5, cap_mu2_pico = $6,
             cap_leak_atto = $7, spent_mu2_pico = $8, spent_leak_atto = $9, reserved_mu2_pico = $10, entries = $11,
             head = $12 where id = $1",
    )
    .bind(id)
    .bind(p.unit.word())
    .bind(p.units_public)
    .bind(a.grant.epsilon.get())
    .bind(a.grant.delta.get())
    .bind(a.cap.mu2_pico)
    .bind(a.cap.leak_atto)
    .bind(a.spent.mu2_pico)
    .bind(a.spent.leak_atto)
    .bind(a.reserved.mu2_pico)
    .bind(p.entries)
    .bind(p.head.as_slice())
    .execute(&mut *tx)
    .await
    .unwrap();
    tx.commit().await.unwrap();
}
