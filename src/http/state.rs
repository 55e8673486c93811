//! What handlers share.

use std::sync::Arc;

use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use super::events::Feed;
use super::figures::Figures;
use super::known_keys::KnownKeys;
use super::limits::Rates;
use super::metrics::Metrics;
use super::oidc::Oidc;
use super::samples::Writers;
use super::sessions::Sessions;
use super::webhooks::Webhooks;
use crate::engine::Machine;
use crate::privacy::SigningKey;
use crate::store::models::Models;
use crate::store::{AuditRecorder, Bell, Blobs, QueueRoom, Retention};
use crate::tabular::UploadLimits;

/// The shared state; cheap to clone.
#[derive(Clone)]
pub struct App {
    /// The database as its operator sees it, for what is nobody's alone. Requests are served from a `Desk`, which sees what
    /// is their tenant's.
    pub operator: PgPool,
    /// The storage.
    pub blobs: Blobs,
    /// Rings when jobs change.
    pub bell: Bell,
    /// Histories of jobs that somebody follows.
    pub feed: Feed,
    /// Limits of one upload.
    pub limits: UploadLimits,
    /// How many jobs may wait.
    pub room: QueueRoom,
    /// For how long things are kept.
    pub retention: Retention,
    /// Ready-made models.
    pub models: Models,
    /// What a worker has; jobs that need more memory are refused. Workers elsewhere may have less.
    pub workers: Machine,
    /// Whether callers need no key: loopback development only.
    pub open: bool,
    /// Keys that were looked up a moment ago.
    pub keys: KnownKeys,
    /// The identity provider whose tokens are good besides keys, if the operator names one.
    pub oidc: Option<Oidc>,
    /// People who are signed in at pages.
    pub sessions: Sessions,
    /// How often keys may ask.
    pub rates: Rates,
    /// Writes who did what.
    pub audit: AuditRecorder,
    /// Figures that were computed before.
    pub figures: Figures,
    /// Places for clients whose rows are being written.
    pub writers: Writers,
    /// Whether jobs may name receivers of a message about their end, and which.
    pub webhooks: Webhooks,
    /// What certificates are signed with; its public part is known to the database.
    pub signer: Arc<SigningKey>,
    /// Counts requests and uploads.
    pub metrics: Metrics,
    /// Cancelled when the server stops, so that waiting requests end.
    pub stopping: CancellationToken,
}
