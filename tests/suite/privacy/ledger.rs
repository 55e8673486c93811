//! The rules of a budget: what a grant buys, what is admitted, what a reader of the book finds.

use dp2stage::privacy::{
    Account, Amount, Book, DpEvent, Entry, EntryKind, Grant, GrantRecord, NoiseMultiplier, RECORD_VERSION,
    ReservationRecord, Rule, SamplingRate, UnitKind, Work, gaussian_delta, price,
};
use proptest::prelude::*;
use uuid::Uuid;

pub fn grant(epsilon: f64, delta: f64) -> Grant {
    Grant { epsilon: epsilon.try_into().unwrap(), delta: delta.try_into().unwrap() }
}

pub fn gaussian(mu2: f64) -> DpEvent {
    DpEvent::gaussian(NoiseMultiplier::new(1.0 / mu2.sqrt()).unwrap())
}

pub fn training(q: f64, sigma: f64, steps: u32) -> DpEvent {
    let (q, sigma) = (SamplingRate::new(q).unwrap(), NoiseMultiplier::new(sigma).unwrap());
    DpEvent::gaussian(sigma).poisson_sampled(q).self_composed(steps)
}

/// Mu squared of (8, 1e-6), as two independent programs found it (bisection on the analytic
/// Gaussian of Balle and Wang 2018 at three quarters of delta).
#[test]
fn a_grant_buys_what_it_should() {
    let cap = grant(8.0, 1e-6).cap();
    assert!((cap.mu2() - 2.30086).abs() < 2e-5, "{}", cap.mu2());
    assert!((249_999_999_999..=250_000_000_000).contains(&cap.leak_atto));
    let mean = cap.mu2().sqrt();
    assert!(gaussian_delta(mean, 8.0) + cap.leak() <= 1e-6);
    assert!(gaussian_delta(mean * (1.0 + 1e-6), 8.0) + cap.leak() > 1e-6);
}

#[test]
fn charges_round_up_and_caps_down() {
    for x in [0.1, 1.0 / 3.0, 2.300_86, 1e-9, 4e-13] {
        assert!(Amount::charge(x, 0.0).mu2() >= x && Amount::cap(x, 0.0).mu2() <= x);
    }
    for bad in [f64::NAN, -1.0, -1e-300, f64::INFINITY, 1e30] {
        assert_eq!(Amount::charge(bad, bad), Amount { mu2_pico: i64::MAX, leak_atto: i64::MAX }, "{bad}");
        if bad < 1e29 || bad.is_nan() {
            assert_eq!(Amount::cap(bad, bad), Amount::default(), "{bad}");
        }
    }
}

/// However many jobs there were, the next certificate has a leak, until it is below what integers hold.
#[test]
fn leaks_do_not_run_out() {
    let mut account = Account::new(grant(1.0, 1e-6));
    let first = account.next_leak_atto();
    assert_eq!(first, account.cap.leak_atto / 128);
    for job in 0..1000 {
        let leak = Amount { mu2_pico: 1, leak_atto: account.next_leak_atto() };
        assert!(leak.leak_atto > 0, "{job}");
        if job < 64 {
            assert_eq!(leak.leak_atto, first);
        }
        account.admit(leak).unwrap();
        account = account.after(EntryKind::Reservation, leak).unwrap();
    }
}

/// A plan that was calibrated for the whole grant is admitted as the first one, and closes the budget or nearly so.
#[test]
fn the_whole_grant_can_be_spent_by_one_plan() {
    for (epsilon, delta) in [(1.0, 1e-6), (8.0, 1e-6), (0.3, 1e-9)] {
        let account = Account::new(grant(epsilon, delta));
        let rate = SamplingRate::new(0.05).unwrap();
        let sigma = dp2stage::privacy::noise_multiplier(rate, 330, account.grant.epsilon, account.grant.delta).unwrap();
        let block = DpEvent::gaussian(sigma).poisson_sampled(rate).self_composed(11);
        let work = Work { opening: None, block, blocks: 28, spare_blocks: 2 };
        let price = price(&account, &work).unwrap();
        assert_ne!(price.rule, Rule::Certificate);
        account.admit(price.whole).unwrap();
        assert!(price.whole.share_of(account.cap) > 0.9);
        // The same plan after anything else was spent costs its certificate, which does not fit.
        let touched = account.after(EntryKind::Reservation, Amount { mu2_pico: 1, leak_atto: 0 }).unwrap();
        let second = dp2stage::privacy::price(&touched, &work).unwrap();
        assert_eq!(second.rule, Rule::Certificate);
        assert!(touched.admit(second.whole).is_err());
    }
}

/// A book of one population, written by the rules.
pub struct Writer {
    pub account: Account,
    pub book: Book,
}

impl Writer {
    pub fn new(grant: Grant) -> Self {
        let mut writer = Self { account: Account::new(grant), book: Book::new(Uuid::from_u128(7), Vec::new()) };
        writer.granted();
        writer
    }

    fn granted(&mut self) {
        let record = GrantRecord::new(self.account.grant, UnitKind::Row, 1000);
        self.write(EntryKind::Grant, None, (0, self.account.cap), serde_json::to_string(&record).unwrap());
    }

    fn write(&mut self, kind: EntryKind, job_id: Option<Uuid>, (block, amount): (i32, Amount), record: String) {
        let seq = self.book.len() + 1;
        let before = self.book.entries.last().map_or([0; 32], |e| e.digest);
        let mut entry = Entry { seq, kind, job_id, block, amount, at_micros: 5, record, digest: before };
        entry.digest = entry.digest_after(&before, self.book.population);
        self.book.entries.push(entry);
        self.account = self.account.after(kind, amount).unwrap();
    }

    pub fn job(&mut self, id: u128, work: &Work) {
        let price = price(&self.account, work).unwrap();
        self.account.admit(price.whole).unwrap();
        let record = ReservationRecord {
            version: RECORD_VERSION,
            planned: self.account.grant,
            work: work.clone(),
            facts: serde_json::json!({}),
            price,
            spent_before: self.account.spent,
            reserved_before: self.account.reserved,
            cap_before: self.account.cap,
        };
        let job = Some(Uuid::from_u128(id));
        let record = serde_json::to_string(&record).unwrap();
        self.write(EntryKind::Reservation, job, (0, price.whole), record);
        match price.block {
            None => self.write(EntryKind::Charge, job, (0, price.whole), "{}".into()),
            Some(each) => {
                self.write(EntryKind::Charge, job, (1, each), "{}".into());
                let rest = price.whole.minus(each).unwrap();
                self.write(EntryKind::Release, job, (0, rest), "{}".into());
            }
        }
    }

    /// Writes all digests anew, as somebody would who edits the book and knows the rules.
    fn resealed(&self, edit: impl FnOnce(&mut Vec<Entry>)) -> Book {
        let mut book = self.book.clone();
        edit(&mut book.entries);
        let mut before = [0; 32];
        for entry in &mut book.entries {
            entry.digest = entry.digest_after(&before, book.population);
            before = entry.digest;
        }
        book
    }
}

pub fn training_job() -> Work {
    Work { opening: None, block: training(0.01, 1.0, 50), blocks: 20, spare_blocks: 1 }
}

#[test]
fn a_book_is_read_back_and_a_forged_one_is_not() {
    let mut writer = Writer::new(grant(8.0, 1e-6));
    writer.job(1, &training_job());
    writer.job(2, &Work::measurement(gaussian(0.05)));
    writer.job(3, &Work { opening: None, block: training(0.2, 8.0, 20), blocks: 3, spare_blocks: 1 });
    let findings = writer.book.verify(true).unwrap();
    assert_eq!(findings.account, writer.account);
    assert_eq!(findings.events.len(), 3);
    let text = serde_json::to_string(&writer.book).unwrap();
    assert_eq!(serde_json::from_str::<Book>(&text).unwrap(), writer.book, "nothing is lost on the way through JSON");

    let forged = |what: &str, edit: &dyn Fn(&mut Vec<Entry>)| {
        let fault = writer.resealed(|entries| edit(entries)).verify(true);
        assert!(fault.is_err(), "{what}");
    };
    forged("less is charged than the plan costs", &|entries| {
        for entry in entries.iter_mut().filter(|e| e.job_id == Some(Uuid::from_u128(2))) {
            entry.amount.mu2_pico /= 2;
            entry.record = entry.record.replace("50000", "25000");
        }
    });
    forged("a charge is left out", &|entries| drop(entries.remove(2)));
    forged("a line is there twice", &|entries| entries.insert(3, entries[2].clone()));
    forged("noise is smaller than was paid for", &|entries| {
        entries[1].record = entries[1].record.replace("1.0", "0.9")
    });
    forged("the cap is larger than the grant", &|entries| entries[0].amount.mu2_pico *= 2);
    forged("somebody else's lines", &|entries| entries.swap(1, 3));
    let mut moved = writer.book.clone();
    moved.population = Uuid::from_u128(8);
    assert!(moved.verify(true).is_err(), "the ledger of others");
    assert!(Book::new(moved.population, Vec::new()).verify(true).is_err(), "nothing granted");
}

/// Behind an exact first plan a raise buys what may follow that plan, not the whole new cap.
#[test]
fn a_raise_after_an_exact_plan_is_what_may_follow_it() {
    let mut writer = Writer::new(grant(3.0, 1e-6));
    writer.job(1, &training_job());
    assert!(
        serde_json::from_str::<ReservationRecord>(&writer.book.entries[1].record).unwrap().price.rule == Rule::Residual
    );
    let larger = grant(4.0, 1e-6);
    let cap = writer.book.cap_of(larger).unwrap();
    assert!(cap.mu2() > writer.account.cap.mu2() && cap.mu2() <= larger.cap().mu2());
    (writer.account.grant, writer.account.cap) = (larger, cap);
    writer.granted();
    writer.job(2, &Work::measurement(gaussian(0.1)));
    writer.book.verify(true).unwrap();
    let greedy = writer.resealed(|entries| entries[3].amount = Amount { mu2_pico: cap.mu2_pico + 2_000_000, ..cap });
    assert!(greedy.verify(true).is_err());
}

proptest! {
    /// Whatever is asked in whatever order, what was admitted never exceeds the cap.
    #[test]
    fn admitted_jobs_never_exceed_the_cap(
        epsilon in 0.01f64..20.0,
        jobs in prop::collection::vec((0.0f64..0.6, 0.0f64..0.1, any::<bool>()), 1..60),
    ) {
        let mut account = Account::new(grant(epsilon, 1e-6));
        for (mu2, leak, charged) in jobs {
            let charge = Amount::charge(mu2 * account.cap.mu2(), leak * account.cap.leak());
            match account.admit(charge) {
                Ok(()) => {
                    account = account.after(EntryKind::Reservation, charge).unwrap();
                    if charged {
                        account = account.after(EntryKind::Charge, charge).unwrap();
                    }
                }
                Err(refusal) => prop_assert!(refusal.requested > refusal.shares.remaining.min(1.0 - 1e-9) - 1e-9),
            }
            prop_assert!(account.used().fits(account.cap));
            let shares = account.shares();
            prop_assert!((shares.spent + shares.reserved + shares.remaining - 1.0).abs() < 1e-9);
        }
    }
}
