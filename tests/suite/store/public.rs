//! Datasets that are declared public: no other dataset is ever used like one.

use dp2stage::privacy::{UnitKind, Work};
use dp2stage::store::{self, Allowance, Blob, Dataset, NewBudget, NewDataset, StoreError, Version};
use serde_json::json;
use sqlx::{AssertSqlSafe, PgPool};
use uuid::Uuid;

use super::budgets::{grant, job_on, table, whole};
use crate::support::fresh_database;

pub async fn declare(pool: &PgPool, name: &str, public: bool) -> Result<Dataset, StoreError> {
    let budget = NewBudget { grant: grant(1.0), unit: UnitKind::Row, units_public: 100 };
    let new = NewDataset {
        name: name.into(),
        schema: json!({}),
        public,
        rows_public: 100,
        persons: None,
        holdout: 0.1,
        keep: store::Keep::default(),
        allowance: Allowance::Granted(budget),
    };
    store::create_dataset(pool, &new).await
}

pub async fn upload(pool: &PgPool, dataset: &Dataset, rows: i64) {
    let (blob, created_at) = (Blob::plain(Uuid::now_v7().to_string()), time::OffsetDateTime::UNIX_EPOCH);
    let version = Version { version: 0, rows, bytes: 1, sha256: "00".into(), blob, created_at };
    store::add_version(pool, dataset.id, &version).await.unwrap();
}

#[tokio::test]
async fn only_a_public_dataset_is_used_as_one() {
    let database = fresh_database().await;
    let pool = &database.pool;
    let (private, public) = (table(pool, 1.0).await, declare(pool, "open", true).await.unwrap());
    assert!(public.public && !private.public);
    assert!(matches!(store::public_version(pool, private.id).await, Err(StoreError::NotPublic)));
    assert!(matches!(store::public_version(pool, public.id).await, Err(StoreError::NoRows)));
    upload(pool, &public, 0).await;
    assert!(matches!(store::public_version(pool, public.id).await, Err(StoreError::NoRows)), "an empty table");
    upload(pool, &public, 7).await;
    assert_eq!(store::public_version(pool, public.id).await.unwrap(), (2, 7));

    // A submission that went past the API's checks is refused all the same.
    let with = async |dataset: &Dataset, work: Work, public_table: Option<Uuid>| {
        let plan = json!({"public_table": public_table.map(|id| json!({"dataset": id, "version": 2}))});
        let job = store::NewJob { public_table, plan, ..job_on(pool, dataset, work).await };
        store::submit(pool, &job, None).await
    };
    let refused = |result| matches!(result, Err(StoreError::NotPublic));
    assert!(refused(with(&private, Work::nothing(), None).await), "without any private work");
    assert!(refused(with(&public, whole(1.0, 0.1), Some(private.id)).await), "as another's public table");
    with(&public, Work::nothing(), None).await.unwrap();
    with(&private, whole(1.0, 0.1), Some(public.id)).await.unwrap();
}

#[tokio::test]
async fn nothing_becomes_public_afterwards() {
    let database = fresh_database().await;
    let pool = &database.pool;
    let (private, public) = (table(pool, 1.0).await, declare(pool, "open", true).await.unwrap());
    for tampering in [
        "update datasets set public = not public".to_owned(),
        format!("update datasets set population_id = '{}' where id = '{}'", public.population_id, private.id),
        format!(
            "update datasets set person_column = 'id', person_max_rows = 1, persons_public = 1 where id = '{}'",
            public.id
        ),
    ] {
        assert!(sqlx::query(AssertSqlSafe(tampering.clone())).execute(pool).await.is_err(), "{tampering}");
    }
    // Nor does a name of private rows, once they are deleted.
    store::delete_dataset(pool, private.id).await.unwrap();
    let again = declare(pool, &private.name, true).await;
    assert!(matches!(again, Err(StoreError::PopulationMismatch(_))));
    declare(pool, &private.name, false).await.unwrap();
}

#[tokio::test]
async fn a_public_table_stays_while_jobs_are_about_to_use_it() {
    let database = fresh_database().await;
    let pool = &database.pool;
    let (private, public) = (table(pool, 1.0).await, declare(pool, "open", true).await.unwrap());
    upload(pool, &public, 7).await;
    let plan = json!({"public_table": {"dataset": public.id, "version": 1}});
    let job = store::NewJob { plan, public_table: Some(public.id), ..job_on(pool, &private, whole(1.0, 0.1)).await };
    let job = store::submit(pool, &job, None).await.unwrap().job_id;
    assert!(matches!(store::delete_dataset(pool, public.id).await, Err(StoreError::DatasetInUse)));
    store::cancel(pool, job).await.unwrap();
    store::delete_dataset(pool, public.id).await.unwrap();
}
