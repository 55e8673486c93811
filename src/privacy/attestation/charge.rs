//! What a ledger says about one job, as a certificate has it.

use serde_json::Value;
use uuid::Uuid;

use super::certificate::{LedgerPosition, Steps};
use crate::privacy::event::DpEvent;
use crate::privacy::ledger::{
    Amount, Book, BookFault, Entry, EntryKind, Grant, ReservationRecord, Rule, UnitKind, Work,
};

/// One job on a ledger.
#[derive(Clone, Debug, PartialEq)]
pub struct Charge {
    /// What one unit of privacy is.
    pub unit: UnitKind,
    /// The (epsilon, delta) that the job was planned for.
    pub planned: Grant,
    /// Everything private that it might do.
    pub work: Work,
    /// What the accounting rests on.
    pub facts: Value,
    /// How the price was found.
    pub rule: Rule,
    /// Everything that was charged: the whole plan, or the blocks that were charged one by one.
    pub event: DpEvent,
    /// Blocks that were charged.
    pub blocks: u32,
    /// Where the ledger stood after the job's last line.
    pub position: LedgerPosition,
}

/// Why a ledger says nothing about a job.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChargeError {
    /// The ledger itself is damaged.
    #[error("the ledger is damaged: {0}")]
    Book(#[from] BookFault),
    /// There is no reservation for the job.
    #[error("the ledger has no line about this job")]
    Absent,
    /// The job holds a reservation and was never charged.
    #[error("the job was never charged")]
    Uncharged,
}

impl Charge {
    /// What a ledger says about a job that has ended. The lines up to its last one count: what came later has no part
    /// in it. Digests and sums are checked, prices are not.
    ///
    /// # Errors
    /// [`ChargeError`].
    pub fn of(book: &Book, job: Uuid) -> Result<Self, ChargeError> {
        let lines: Vec<&Entry> = book.entries.iter().filter(|entry| entry.job_id == Some(job)).collect();
        let (Some(first), Some(last)) = (lines.first(), lines.last()) else { return Err(ChargeError::Absent) };
        let record = serde_json::from_str::<ReservationRecord>(&first.record).map_err(|_| ChargeError::Absent)?;
        let charges = || lines.iter().filter(|entry| entry.kind == EntryKind::Charge);
        let count = charges().count() as u32;
        if count == 0 && !record.price.is_nothing() {
            return Err(ChargeError::Uncharged);
        }
        let until = last.seq.clamp(0, book.len()) as usize;
        let findings = Book::new(book.population, book.entries[..until].to_vec()).verify(false)?;
        let blocks = if record.price.block.is_some() { count } else { record.work.blocks_charged() };
        let account = findings.account;
        let position = LedgerPosition {
            population: book.population,
            epsilon_guaranteed: account.grant.epsilon,
            delta: account.grant.delta,
            units_declared: findings.units_public,
            entry: last.seq,
            head: hex::encode(findings.head),
            charged: charges().fold(Amount::default(), |sum, entry| sum.plus(entry.amount)),
            spent: account.spent,
            cap: account.cap,
            spent_share: account.spent.share_of(account.cap),
        };
        Ok(Self {
            unit: findings.unit,
            planned: record.planned,
            event: charged(&record.work, blocks),
            blocks,
            work: record.work,
            facts: record.facts,
            rule: record.price.rule,
            position,
        })
    }

    /// The private steps, where there are any.
    #[must_use]
    pub fn steps(&self) -> Option<Steps> {
        steps(&self.work, self.blocks)
    }
}

/// The event of a plan of which so many blocks were charged.
pub(super) fn charged(work: &Work, blocks: u32) -> DpEvent {
    match blocks == work.blocks_charged() {
        true => work.event(),
        false => work.block.clone().self_composed(blocks),
    }
}

/// The steps of a plan of which so many blocks were charged.
pub(super) fn steps(work: &Work, blocks: u32) -> Option<Steps> {
    let each = match &work.block {
        _ if work.blocks == 0 => return None,
        DpEvent::SelfComposed { count, .. } => *count,
        _ => 1,
    };
    let of = |blocks: u32| blocks.saturating_mul(each);
    Some(Steps { executed: of(work.blocks), reserved: of(work.blocks_charged()), charged: of(blocks) })
}
