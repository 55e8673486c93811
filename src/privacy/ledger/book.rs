//! A whole ledger, read again from the first line: every digest, every sum, every price.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::account::Account;
use super::amount::Amount;
use super::entry::{Digest, Entry, EntryKind, FIRST, GrantRecord, RECORD_VERSION, ReservationRecord, UnitKind};
use super::grant::Grant;
use super::price::{Price, Rule, Work, covers};
use crate::privacy::certificate::residual;
use crate::privacy::epsilon::epsilon_of;
use crate::privacy::event::DpEvent;
use crate::privacy::rdp::AccountingError;

/// The lines of one population's ledger, as they are stored and exported.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Book {
    /// Always `dp2stage-ledger`.
    pub format: String,
    /// [`RECORD_VERSION`].
    pub version: u32,
    /// Whose ledger.
    pub population: Uuid,
    /// The lines in order.
    pub entries: Vec<Entry>,
}

/// What is wrong with a ledger, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("entry {seq}: {what}")]
pub struct BookFault {
    /// The line; 0 for the ledger as a whole.
    pub seq: i64,
    /// What is wrong with it.
    pub what: String,
}

/// What a sound ledger says.
#[derive(Clone, Debug, PartialEq)]
pub struct Findings {
    /// The totals.
    pub account: Account,
    /// What one unit of privacy is.
    pub unit: UnitKind,
    /// About how many units there are, as declared.
    pub units_public: i64,
    /// Every mechanism that was charged, as far as it was charged.
    pub events: Vec<DpEvent>,
    /// The digest of the last line.
    pub head: Digest,
}

impl Findings {
    /// The epsilon at the grant's delta had all charged events been planned in advance. No
    /// guarantee: jobs may have been chosen by the results of others.
    #[must_use]
    pub fn epsilon_if_preplanned(&self) -> Option<f64> {
        let all = DpEvent::Composed { events: self.events.clone() };
        epsilon_of(&all, self.account.grant.delta).ok()
    }
}

/// How far the reading has come.
struct Reading {
    findings: Option<Findings>,
    open: BTreeMap<Uuid, Open>,
    /// The first plan, if it was charged by its exact loss and not handed back.
    exact: Option<(Uuid, Work, Amount)>,
}

/// A cap with a millionth added, for the last digits of other machines.
fn loosened(cap: Amount) -> Amount {
    Amount { mu2_pico: cap.mu2_pico.saturating_add(cap.mu2_pico / 1_000_000 + 2), ..cap }
}

/// What a job holds that it has not been charged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holding {
    /// The job.
    pub job: Uuid,
    /// What is left of its reservation.
    pub left: Amount,
    /// Whether it was charged for a part.
    pub begun: bool,
}

/// A job with a reservation.
struct Open {
    work: Work,
    price: Price,
    left: Amount,
    charges: u32,
    ended: bool,
}

impl Book {
    /// The format's name.
    pub const FORMAT: &'static str = "dp2stage-ledger";

    /// A ledger of these lines.
    #[must_use]
    pub fn new(population: Uuid, entries: Vec<Entry>) -> Self {
        Self { format: Self::FORMAT.to_owned(), version: RECORD_VERSION, population, entries }
    }

    /// Lines.
    #[must_use]
    pub fn len(&self) -> i64 {
        self.entries.len() as i64
    }

    /// Whether there is no line.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// What a grant would buy that this one is raised to.
    ///
    /// # Errors
    /// [`BookFault`].
    pub fn cap_of(&self, grant: Grant) -> Result<Amount, BookFault> {
        let whole = |what: String| BookFault { seq: 0, what };
        let (reading, _) = self.read(false)?;
        let cap = grant.cap_after(reading.exact()).map_err(|e| whole(e.to_string()))?;
        let before = reading.findings.ok_or_else(|| whole("there is no grant".to_owned()))?.account.cap;
        Ok(before.most(cap))
    }

    /// Reads the ledger from its first line: digests, order, sums, and, when `prices` is set, what
    /// every grant buys and every plan costs.
    ///
    /// # Errors
    /// The first [`BookFault`].
    pub fn verify(&self, prices: bool) -> Result<Findings, BookFault> {
        let (reading, head) = self.read(prices)?;
        let events = reading.charged();
        let findings = reading.findings.ok_or(BookFault { seq: 0, what: "there is no grant".to_owned() })?;
        Ok(Findings { events, head, ..findings })
    }

    /// What jobs hold that they have not been charged, after the last line.
    ///
    /// # Errors
    /// [`BookFault`].
    pub fn holdings(&self) -> Result<Vec<Holding>, BookFault> {
        let (reading, _) = self.read(false)?;
        let open = reading.open.iter().filter(|(_, open)| !open.ended && open.left != Amount::default());
        Ok(open.map(|(job, open)| Holding { job: *job, left: open.left, begun: open.charges > 0 }).collect())
    }

    fn read(&self, prices: bool) -> Result<(Reading, Digest), BookFault> {
        let whole = |what: &str| BookFault { seq: 0, what: what.to_owned() };
        if self.format != Self::FORMAT || self.version != RECORD_VERSION {
            return Err(whole("not a ledger of a version that is known here"));
        }
        let mut reading = Reading { findings: None, open: BTreeMap::new(), exact: None };
        let mut before = FIRST;
        for (i, entry) in self.entries.iter().enumerate() {
            let fault = |what: String| BookFault { seq: entry.seq, what };
            if entry.seq != i as i64 + 1 {
                return Err(fault("the lines are not numbered one after the other".to_owned()));
            }
            if entry.digest != entry.digest_after(&before, self.population) {
                return Err(fault("the digest does not fit: this line or one before it was changed".to_owned()));
            }
            before = entry.digest;
            reading.take(entry, prices).map_err(fault)?;
        }
        Ok((reading, before))
    }
}

impl Reading {
    fn take(&mut self, entry: &Entry, prices: bool) -> Result<(), String> {
        if !entry.amount.is_valid() || entry.job_id.is_none() != (entry.kind == EntryKind::Grant) {
            return Err("a negative amount, or a job where there is none".to_owned());
        }
        match entry.kind {
            EntryKind::Grant => self.grant(entry, prices),
            EntryKind::Reservation => self.reserve(entry, prices),
            EntryKind::Charge => self.charge(entry),
            EntryKind::Release => self.release(entry),
        }
    }

    fn account(&mut self) -> Result<&mut Account, String> {
        self.findings.as_mut().map(|f| &mut f.account).ok_or_else(|| "there is no grant before it".to_owned())
    }

    fn exact(&self) -> Option<(&Work, Amount)> {
        self.exact.as_ref().map(|(_, work, amount)| (work, *amount))
    }

    fn grant(&mut self, entry: &Entry, prices: bool) -> Result<(), String> {
        let record: GrantRecord = read(&entry.record)?;
        let before = self.findings.as_ref().map(|f| f.account.cap).unwrap_or_default();
        if prices {
            let cap = record.grant.cap_after(self.exact()).map_err(|e| e.to_string())?;
            if !entry.amount.fits(loosened(before.most(cap))) {
                return Err("the cap is more than the grant buys".to_owned());
            }
        }
        match &mut self.findings {
            None => {
                self.findings = Some(Findings {
                    account: Account { cap: entry.amount, ..Account::new(record.grant) },
                    unit: record.unit,
                    units_public: record.units_public,
                    events: Vec::new(),
                    head: FIRST,
                });
            }
            Some(findings) => {
                let before = findings.account.grant;
                if record.grant.delta != before.delta || record.grant.epsilon < before.epsilon {
                    return Err("a grant may be raised in epsilon alone".to_owned());
                }
                if record.unit != findings.unit || record.units_public != findings.units_public {
                    return Err("the unit of privacy changed".to_owned());
                }
                (findings.account.grant, findings.account.cap) = (record.grant, entry.amount);
            }
        }
        Ok(())
    }

    fn reserve(&mut self, entry: &Entry, prices: bool) -> Result<(), String> {
        let record: ReservationRecord = read(&entry.record)?;
        let job = entry.job_id.ok_or("no job")?;
        let account = self.account()?;
        let told = (record.cap_before, record.spent_before, record.reserved_before);
        if told != (account.cap, account.spent, account.reserved) || record.price.whole != entry.amount {
            return Err("the totals before it are not what it says".to_owned());
        }
        if prices && !covers(account, &record.work, &record.price).map_err(|e| e.to_string())? {
            return Err("the price is below what the plan costs".to_owned());
        }
        account.admit(entry.amount).map_err(|_| "it does not fit the budget".to_owned())?;
        *account = account.after(entry.kind, entry.amount).ok_or("it does not fit the budget")?;
        if record.price.rule != Rule::Certificate {
            self.exact = Some((job, record.work.clone(), entry.amount));
        }
        let open = Open { work: record.work, price: record.price, left: entry.amount, charges: 0, ended: false };
        self.open.insert(job, open).map_or(Ok(()), |_| Err("the job has two reservations".to_owned()))
    }

    fn charge(&mut self, entry: &Entry) -> Result<(), String> {
        let open = entry.job_id.and_then(|job| self.open.get_mut(&job)).ok_or("there is no reservation")?;
        let due = match open.price.block {
            None => open.left,
            Some(each) => each,
        };
        if open.ended || entry.amount != due || due == Amount::default() {
            return Err("it does not fit the reservation".to_owned());
        }
        open.left = open.left.minus(entry.amount).ok_or("it is more than was reserved")?;
        open.charges += 1;
        open.ended = open.left == Amount::default();
        let account = self.account()?;
        *account = account.after(entry.kind, entry.amount).ok_or("it is more than was reserved")?;
        Ok(())
    }

    fn release(&mut self, entry: &Entry) -> Result<(), String> {
        let job = entry.job_id.ok_or("no job")?;
        let open = self.open.get_mut(&job).filter(|o| !o.ended).ok_or("there is no reservation")?;
        if entry.amount != open.left || (open.price.block.is_none() && open.charges > 0) {
            return Err("it is not what is left of the reservation".to_owned());
        }
        (open.left, open.ended) = (Amount::default(), true);
        if self.exact.as_ref().is_some_and(|(first, ..)| *first == job) {
            self.exact = None;
        }
        let account = self.account()?;
        *account = account.after(entry.kind, entry.amount).ok_or("it is more than was reserved")?;
        Ok(())
    }

    /// What was charged, as events: whole plans, and the blocks that were claimed one by one.
    fn charged(&self) -> Vec<DpEvent> {
        let jobs = self.open.values().filter(|open| open.charges > 0);
        jobs.map(|open| match open.price.block {
            None => open.work.event(),
            Some(_) => open.work.block.clone().self_composed(open.charges),
        })
        .collect()
    }
}

impl Grant {
    /// The cap of a grant that is given, or raised to, when the first plan was charged by its exact
    /// loss: what the plan was charged, and the largest Gaussian that may follow it under this grant;
    /// at most [`Grant::cap`].
    ///
    /// # Errors
    /// Those of the accountant.
    pub fn cap_after(&self, exact: Option<(&Work, Amount)>) -> Result<Amount, AccountingError> {
        let cap = self.cap();
        let Some((work, charged)) = exact else { return Ok(cap) };
        let gaussian_delta = self.gaussian_delta(Amount { mu2_pico: 0, ..cap });
        let rest = residual(&work.event().loss()?, self.epsilon.get(), gaussian_delta)?.unwrap_or(0.0);
        let most = charged.mu2_pico.saturating_add(Amount::cap(rest * rest, 0.0).mu2_pico);
        Ok(Amount { mu2_pico: most.min(cap.mu2_pico), ..cap })
    }
}

fn read<T: for<'a> Deserialize<'a>>(record: &str) -> Result<T, String> {
    serde_json::from_str(record).map_err(|_| "the record cannot be read".to_owned())
}
