//! What succeeded jobs left.

use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use super::error::StoreError;

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
    pub blob: String,
    /// Its size in bytes.
    pub bytes: i64,
}

/// A result of a job.
///
/// # Errors
/// [`StoreError::NotFound`] when the job has none of this kind.
pub async fn artifact(pool: &PgPool, job: Uuid, kind: ArtifactKind) -> Result<Artifact, StoreError> {
    sqlx::query_as!(
        Artifact,
        r#"select kind as "kind: ArtifactKind", blob, bytes from artifacts where job_id = $1 and kind = $2"#,
        job,
        kind.word(),
    )
    .fetch_optional(pool)
    .await?
    .ok_or(StoreError::NotFound("result"))
}

/// All results of a job.
///
/// # Errors
/// Database faults only.
pub async fn artifacts(pool: &PgPool, job: Uuid) -> Result<Vec<Artifact>, StoreError> {
    let all = sqlx::query_as!(
        Artifact,
        r#"select kind as "kind: ArtifactKind", blob, bytes from artifacts where job_id = $1 order by kind"#,
        job,
    );
    Ok(all.fetch_all(pool).await?)
}

pub(super) async fn insert_artifact(tx: &mut PgConnection, job: Uuid, new: &Artifact) -> Result<(), StoreError> {
    sqlx::query!(
        "insert into artifacts (job_id, kind, blob, bytes) values ($1, $2, $3, $4)",
        job,
        new.kind.word(),
        new.blob,
        new.bytes,
    )
    .execute(tx)
    .await?;
    Ok(())
}
