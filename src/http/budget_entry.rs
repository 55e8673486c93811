//! Lines of a ledger as JSON.

use std::collections::HashMap;

use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use super::moments::of_micros;
use crate::privacy::{Amount, DpEvent, Entry, EntryKind, GrantRecord, ReservationRecord};
use crate::store::Budget;

/// What the ledger says about one step of one job, or about a grant. Where blocks are charged one by
/// one, all charges of a job are one entry; the ledger itself has a line for each.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct EntryView {
    /// The job, unless it is a grant.
    job_id: Option<Uuid>,
    /// What happened.
    kind: EntryKind,
    /// The mechanism, on reservations and charges: a tree with the names of Google's
    /// `dp_accounting.DpEvent`.
    #[schema(value_type = Option<Object>)]
    event: Option<DpEvent>,
    /// The granted epsilon, or the one that the job by itself was planned for, null for one that costs
    /// nothing. What counts is the share.
    epsilon: Option<f64>,
    /// The delta that goes with it.
    delta: Option<f64>,
    /// The share of what the grant buys, as it is now.
    share: f64,
    /// The state of the job, unless it is a grant.
    state: Option<String>,
    /// When it was written.
    #[serde(with = "time::serde::rfc3339")]
    at: OffsetDateTime,
}

impl EntryView {
    /// All lines of a ledger that was verified, as shares of `cap`.
    pub fn of(budget: &Budget, cap: Amount) -> Vec<Self> {
        let mut plans: HashMap<Uuid, ReservationRecord> = HashMap::new();
        let mut view = |entry: &Entry| {
            if entry.kind == EntryKind::Reservation
                && let (Some(job), Ok(plan)) = (entry.job_id, serde_json::from_str(&entry.record))
            {
                plans.insert(job, plan);
            }
            let plan = entry.job_id.and_then(|job| plans.get(&job));
            let granted = || serde_json::from_str::<GrantRecord>(&entry.record).ok().map(|record| record.grant);
            let planned = match plan {
                // A job that touches nothing private has no epsilon, whatever it was asked with.
                Some(plan) if plan.price.is_nothing() => None,
                Some(plan) => Some(plan.planned),
                None => granted(),
            };
            let state = entry.job_id.and_then(|job| budget.jobs.get(&job)).map(|state| state.word().to_owned());
            Self {
                job_id: entry.job_id,
                kind: entry.kind,
                event: plan.and_then(|plan| event(entry, plan)),
                epsilon: planned.map(|grant| grant.epsilon.get()),
                delta: planned.map(|grant| grant.delta.get()),
                share: entry.amount.share_of(cap),
                state,
                at: of_micros(entry.at_micros),
            }
        };
        let mut views: Vec<Self> = Vec::new();
        for (entry, view) in budget.book.entries.iter().map(|entry| (entry, view(entry))) {
            let earlier = |v: &&mut Self| v.job_id == view.job_id && v.kind == EntryKind::Charge;
            match views.iter_mut().rev().find(earlier).filter(|_| entry.block > 1) {
                Some(earlier) => earlier.add(view.share, entry.block),
                None => views.push(view),
            }
        }
        views
    }

    /// Adds the charge of the block with this ordinal.
    fn add(&mut self, share: f64, ordinal: i32) {
        self.share += share;
        if let Some(DpEvent::SelfComposed { count, .. }) = &mut self.event {
            *count = ordinal.unsigned_abs();
        }
    }
}

/// What a line stands for: the whole plan, or one block of it.
fn event(entry: &Entry, plan: &ReservationRecord) -> Option<DpEvent> {
    match entry.kind {
        EntryKind::Charge if entry.block > 0 => Some(plan.work.block.clone().self_composed(1)),
        EntryKind::Charge | EntryKind::Reservation => Some(plan.work.event()),
        EntryKind::Grant | EntryKind::Release => None,
    }
}
