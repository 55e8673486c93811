//! What succeeded jobs left.

use sqlx::PgConnection;
use uuid::Uuid;

use super::blob_keys::keep_key;
use super::error::StoreError;
use super::scope::Scope;
use super::sealed::Blob;

/// Kinds of results.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "lowercase")]
pub enum ArtifactKind {
    /// Encoded synthetic rows.
    Synthetic,
    /// The custodian's report, JSON.
    Report,
    /// The trained weights, safetensors.
    Model,
    /// The distribution that was fitted to noisy counts.
    Distribution,
    /// Figures for everybody that were bought, JSON.
    Figures,
}

impl ArtifactKind {
    fn word(self) -> &'static str {
        match self {
            Self::Synthetic => "synthetic",
            Self::Report => "report",
            Self::Model => "model",
            Self::Distribution => "distribution",
            Self::Figures => "figures",
        }
    }
}

/// A result and the blob that holds it.
#[derive(Clone, Debug)]
pub struct Artifact {
    /// What it is.
    pub kind: ArtifactKind,
    /// The blob.
    pub blob: Blob,
    /// The size of its content in bytes.
    pub bytes: i64,
}

/// A result of a job.
///
/// # Errors
/// [`StoreError::NotFound`] when the job has none of this kind; [`StoreError::Gone`] when its time was over.
pub async fn artifact(scope: &impl Scope, job: Uuid, kind: ArtifactKind) -> Result<Artifact, StoreError> {
    let all = artifacts(scope, job).await?;
    all.into_iter().find(|artifact| artifact.kind == kind).ok_or(StoreError::NotFound("result"))
}

/// All results of a job.
///
/// # Errors
/// [`StoreError::Gone`] when their time was over.
pub async fn artifacts(scope: &impl Scope, job: Uuid) -> Result<Vec<Artifact>, StoreError> {
    let all = sqlx::query!(
        r#"select a.kind as "kind!: ArtifactKind", a.blob as "name!", a.bytes as "bytes!", j.dataset_id as "dataset!",
                  k.storage_key as "storage_key?", k.wrapped as "wrapped?"
           from artifacts a join jobs j on j.id = a.job_id left join blob_keys k on k.blob = a.blob
           where a.job_id = $1 order by a.kind"#,
        job,
    );
    let mut tx = scope.begin().await?;
    let all = all.fetch_all(&mut *tx).await?;
    if all.is_empty()
        && let Some(gone) = sqlx::query!("select destroyed_at, days from destructions where job_id = $1", job)
            .fetch_optional(&mut *tx)
            .await?
    {
        return Err(StoreError::Gone { at: gone.destroyed_at, days: gone.days });
    }
    let all = all.into_iter().map(|row| Artifact {
        kind: row.kind,
        blob: Blob::of(row.dataset, row.name, (row.storage_key, row.wrapped)),
        bytes: row.bytes,
    });
    Ok(all.collect())
}

pub(super) async fn insert_artifact(tx: &mut PgConnection, job: Uuid, new: &Artifact) -> Result<(), StoreError> {
    let dataset = sqlx::query_scalar!(
        r#"with new as (insert into artifacts (job_id, kind, blob, bytes) values ($1, $2, $3, $4))
         select dataset_id as "dataset!" from jobs where id = $1"#,
        job,
        new.kind.word(),
        new.blob.name,
        new.bytes,
    );
    let dataset = dataset.fetch_one(&mut *tx).await?;
    keep_key(tx, dataset, &new.blob).await
}
