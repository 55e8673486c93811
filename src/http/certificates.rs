//! Certificates: what a third party can check about a job without asking.

use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use sha2::{Digest, Sha256};
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::desk::Desk;
use super::extract::JobId;
use super::planning::aside;
use super::problem::{Problem, storage};
use super::results::{Shape, export, succeeded};
use super::tagged::{tag_of, tagged, unchanged, with_tag};
use crate::engine::Plan;
use crate::privacy::{
    ArtifactDigests, Certificate, Charge, ChargeError, DatasetFacts, Envelope, JobFacts, Jwk, PersonFacts,
    ReportCharges, Work, epsilon_of,
};
use crate::store::{self, Artifact, ArtifactKind, Blob, Blobs, Budget, Dataset, Job, StoreError};
use crate::tabular::is_plain;

/// The certificate of a job: a signed statement of what was done to private rows, what it was charged, and what follows
/// from that, for whoever did not watch. All of it is public or released.
///
/// The answer is a DSSE envelope; its payload, decoded from base64, is a `Certificate`. `dp2stage verify FILE` checks the
/// signature, computes epsilon again from the events, and says in words what is promised and what is not.
#[utoipa::path(get, path = "/v1/jobs/{job}/certificate", operation_id = "get_certificate", tag = "results",
    params(("job" = Uuid, Path, description = "id")), responses(
    (status = 200, body = Envelope, headers(("ETag", description = "for If-None-Match"))),
    (status = 304, description = "not changed since the given ETag"),
    (status = 404, description = "`not_found`", content_type = "application/problem+json"),
    (status = 409, description = "`state_conflict`: the job has not succeeded", content_type = "application/problem+json"),
    (status = 410, description = "`gone`: what the job left is kept no longer, and nobody had asked for its certificate before", content_type = "application/problem+json"),
    (status = 500, description = "`ledger_damaged`: an entry was changed behind the service's back", content_type = "application/problem+json"),
))]
pub(super) async fn get(desk: Desk, JobId(id): JobId, headers: HeaderMap) -> Result<Response, Problem> {
    let job = succeeded(&desk, id).await?;
    let envelope = match store::certificate(&desk.tenant, id).await? {
        Some(envelope) => envelope,
        // To its end even when this client does not wait for it: the next one finds it.
        None => tokio::spawn(issue(desk, job)).await.map_err(|_| internal())??,
    };
    let tag = tag_of(envelope.as_bytes());
    let json = || ([(header::CONTENT_TYPE, "application/json")], envelope).into_response();
    Ok(unchanged(&tag, &headers).unwrap_or_else(|| with_tag(json(), &tag)))
}

/// Issues the certificate of a job, unless another server is quicker, and returns the one that is kept.
async fn issue(desk: Desk, job: Job) -> Result<String, Problem> {
    let dataset = store::dataset_of_job(&desk.tenant, job.id).await?;
    let artifacts = store::artifacts(&desk.tenant, job.id).await?;
    let budget = store::budget(&desk.tenant, dataset.population_id).await?;
    let program = store::finishing_program(&desk.tenant, job.id).await?;
    let (id, key, blobs, signer) = (job.id, desk.signer.public(), desk.blobs.clone(), desk.signer.clone());
    let signed = aside(move || {
        let facts = Facts { job, dataset, artifacts, budget, program };
        let certificate = facts.certificate(&blobs, &key)?;
        let payload = serde_json::to_vec(&certificate).map_err(|_| internal())?;
        serde_json::to_string(&Envelope::sign(&payload, &signer)).map_err(|_| internal())
    });
    let signed = signed.await??;
    Ok(store::keep_certificate(&desk.tenant, id, &key, &signed).await?)
}

/// What a certificate is made from.
struct Facts {
    job: Job,
    dataset: Dataset,
    artifacts: Vec<Artifact>,
    budget: Budget,
    program: Option<String>,
}

impl Facts {
    fn certificate(self, blobs: &Blobs, key: &crate::privacy::PublicKey) -> Result<Certificate, Problem> {
        let Self { job, dataset, budget, program, .. } = &self;
        // A statement about a ledger that does not add up is worth nothing.
        budget.verify(false).map_err(|fault| Problem::ledger_damaged(&fault))?;
        let charge = Charge::of(&budget.book, job.id).map_err(unfounded)?;
        let epsilon = epsilon_of(&charge.event, charge.planned.delta).map_err(|_| internal())?;
        let persons = dataset.persons().map(|persons| PersonFacts {
            column: persons.name,
            max_rows: persons.max_rows.get(),
            persons_declared: persons.persons_public,
        });
        let facts = JobFacts {
            id: job.id,
            dataset: DatasetFacts {
                id: dataset.id,
                name: dataset.name.clone(),
                public: dataset.public,
                rows_declared: dataset.rows_public,
            },
            rows: job.plan["rows"].as_u64().unwrap_or_default(),
            finished_at: job.finished_at.unwrap_or(job.created_at),
            program: program.clone(),
        };
        let exact_for_custodian = charge.work != Work::nothing();
        let plan: Plan = serde_json::from_value(job.plan.clone()).map_err(|_| internal())?;
        let released_epsilon = plan.release.map_or(0.0, |release| release.epsilon.get());
        let reports = ReportCharges { released_epsilon, exact_for_custodian };
        let issuer = (key, store::program(), OffsetDateTime::now_utc());
        let digests = self.digests(blobs, plan)?;
        Ok(Certificate::new((issuer.0, &issuer.1, issuer.2), facts, (charge, epsilon, persons), digests, reports))
    }

    fn digests(&self, blobs: &Blobs, plan: Plan) -> Result<ArtifactDigests, Problem> {
        let blob = |kind| self.artifacts.iter().find(|artifact| artifact.kind == kind).map(|a| &a.blob);
        let of = |kind| blob(kind).map(|blob| digest_of(blobs, blob)).transpose();
        let rows = blob(ArtifactKind::Synthetic).ok_or(StoreError::NotFound("result"))?;
        let schema = self.dataset.declared()?;
        let digest = |raw: bool| {
            let mut csv = Sha256::new();
            let hash = |chunk: Vec<u8>| {
                csv.update(&chunk);
                Ok(true)
            };
            export((blobs, rows), &schema, Shape { raw, ..Shape::default() }, hash).map_err(|fault| storage(&fault))?;
            Ok::<_, Problem>(hex::encode(csv.finalize()))
        };
        let files = plan.base.map(|base| base.model.files).unwrap_or_default();
        Ok(ArtifactDigests {
            schema: crate::privacy::digest_of_json(&schema.to_json()),
            synthetic_csv: digest(false)?,
            synthetic_csv_raw: if is_plain(&schema) { None } else { Some(digest(true)?) },
            synthetic_rows: digest_of(blobs, rows)?,
            model: of(ArtifactKind::Model)?,
            distribution: of(ArtifactKind::Distribution)?,
            figures: of(ArtifactKind::Figures)?,
            ready_made: files.iter().map(|(name, digest)| (name.clone(), digest.to_string())).collect(),
        })
    }
}

/// The SHA-256 of the content of a blob: its name has that of what is stored.
fn digest_of(blobs: &Blobs, blob: &Blob) -> Result<String, Problem> {
    let digest = blobs.reader(blob).and_then(crate::model::Digest::of_rest);
    Ok(digest.map_err(|fault| storage(&fault))?.to_string())
}

fn internal() -> Problem {
    Problem::of_status(StatusCode::INTERNAL_SERVER_ERROR)
}

fn unfounded(error: ChargeError) -> Problem {
    match error {
        ChargeError::Book(fault) => Problem::ledger_damaged(&fault),
        ChargeError::Absent | ChargeError::Uncharged => {
            tracing::error!(%error, "a succeeded job has no charge");
            internal()
        }
    }
}

/// The public keys of this installation: a JSON Web Key Set.
#[derive(Debug, Serialize, ToSchema)]
struct CertificateKeys {
    /// All keys that ever signed a certificate here, the newest first.
    keys: Vec<CertificateKey>,
}

/// A public key with its times.
#[derive(Debug, Serialize, ToSchema)]
struct CertificateKey {
    #[serde(flatten)]
    jwk: Jwk,
    /// The key once more as PEM, for OpenSSL.
    pem: String,
    /// When a server was first ready to sign with it.
    #[serde(with = "time::serde::rfc3339")]
    since: OffsetDateTime,
    /// When another took its place; null while servers sign with it. What it signed stays valid.
    #[serde(with = "time::serde::rfc3339::option")]
    retired_at: Option<OffsetDateTime>,
}

/// The keys that certificates of this installation are checked with, as a JSON Web Key Set (RFC 7517, RFC 8037). Anyone
/// who relies on certificates should have them from here, or from the owner, once, and not from a certificate.
#[utoipa::path(get, path = "/v1/certificate-keys", operation_id = "list_certificate_keys", tag = "results", responses(
    (status = 200, body = inline(CertificateKeys), headers(("ETag", description = "for If-None-Match"))),
    (status = 304, description = "not changed since the given ETag"),
))]
pub(super) async fn keys(desk: Desk, headers: HeaderMap) -> Result<Response, Problem> {
    let keys = store::signers(&desk.operator).await?.into_iter();
    let keys = keys.map(|known| CertificateKey {
        jwk: Jwk::of(&known.key),
        pem: known.key.to_pem(),
        since: known.since,
        retired_at: known.retired_at,
    });
    tagged(&CertificateKeys { keys: keys.collect() }, &headers)
}
