//! Whether a certificate is true, as far as it can be computed from it.

use super::certificate::{Accountant, Certificate};
use super::charge::{Charge, ChargeError, charged, steps};
use super::envelope::{Envelope, EnvelopeFault};
use super::keys::PublicKey;
use crate::privacy::epsilon::epsilon_of;
use crate::privacy::ledger::Book;
use crate::privacy::rdp::AccountingError;

/// For the last digits of other machines.
const SLACK: f64 = 1e-6;

/// What is wrong with a certificate.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum CertificateFault {
    /// It was changed, or is signed by somebody else.
    #[error(transparent)]
    Envelope(#[from] EnvelopeFault),
    /// It is not what this version reads.
    #[error("the payload is no certificate of a version that is known here: {0}")]
    Form(String),
    /// It names another key than the one that signed it.
    #[error("the issuer that it names is not the key that signed it")]
    Issuer,
    /// The events cost more than it says.
    #[error("it states epsilon {stated}, but its events cost {found} at delta {delta}")]
    Epsilon {
        /// What it states.
        stated: f64,
        /// What the accountant finds.
        found: f64,
        /// At this delta.
        delta: f64,
    },
    /// The accountant has no answer.
    #[error("the events that it states have no epsilon: {0}")]
    Accounting(#[from] AccountingError),
    /// It contradicts itself.
    #[error("it contradicts itself: {0}")]
    Contradiction(&'static str),
    /// The ledger does not bear it out.
    #[error("the ledger does not bear it out: {0}")]
    Ledger(String),
}

impl From<ChargeError> for CertificateFault {
    fn from(error: ChargeError) -> Self {
        Self::Ledger(error.to_string())
    }
}

impl Certificate {
    /// Opens an envelope with these keys and reads what is in it; whether that is true is for [`Certificate::check`].
    ///
    /// # Errors
    /// [`CertificateFault`].
    pub fn open(envelope: &Envelope, keys: &[PublicKey]) -> Result<Self, CertificateFault> {
        let payload = envelope.open(keys)?;
        let certificate = Self::read(&payload)?;
        let named = certificate.issuer.key()?;
        let signed = envelope.signatures.iter().all(|signature| signature.keyid == named.id());
        if signed { Ok(certificate) } else { Err(CertificateFault::Issuer) }
    }

    /// The key that an envelope says it was signed with: enough to find that nothing was changed since, and nothing else.
    ///
    /// # Errors
    /// [`CertificateFault`].
    pub fn named_key(envelope: &Envelope) -> Result<PublicKey, CertificateFault> {
        Self::read(&envelope.unchecked()?)?.issuer.key()
    }

    fn read(payload: &[u8]) -> Result<Self, CertificateFault> {
        let certificate: Self =
            serde_json::from_slice(payload).map_err(|fault| CertificateFault::Form(fault.to_string()))?;
        let known = certificate.form == Self::FORM && certificate.version == Self::VERSION;
        if known { Ok(certificate) } else { Err(CertificateFault::Form("another form or version".to_owned())) }
    }

    /// Computes epsilon again from the events and compares what is said twice. Returns the epsilon that was found.
    ///
    /// # Errors
    /// The first [`CertificateFault`].
    pub fn check(&self) -> Result<f64, CertificateFault> {
        let (guarantee, mechanism, ledger) = (&self.guarantee, &self.mechanism, &self.ledger);
        let sound = |sound: bool, what| if sound { Ok(()) } else { Err(CertificateFault::Contradiction(what)) };
        sound(guarantee.neighbours == Self::NEIGHBOURS, "its neighbouring relation is not add or remove one unit")?;
        let blocks = self.blocks().ok_or(CertificateFault::Contradiction("its steps are not those of its plan"))?;
        let is_all = mechanism.event == charged(&mechanism.work, blocks);
        sound(is_all, "the event is not what its plan and its steps amount to")?;
        sound(blocks >= mechanism.work.blocks, "fewer steps were charged than the weights took")?;
        let (stated, delta) = (guarantee.epsilon, guarantee.delta);
        let found = epsilon_of(&mechanism.event, delta)?;
        let covers = stated >= found * (1.0 - SLACK);
        if !covers {
            return Err(CertificateFault::Epsilon { stated, found, delta: delta.get() });
        }
        sound(stated <= guarantee.epsilon_planned.get() * (1.0 + SLACK), "epsilon is more than was planned")?;
        let bought = self.reports.released_epsilon;
        sound(
            (0.0..guarantee.epsilon_planned.get()).contains(&bought)
                && (bought == 0.0 || mechanism.work.opening.is_some()),
            "released figures cost more than was planned, or were not charged",
        )?;
        let fits = ledger.charged.is_valid() && ledger.charged.fits(ledger.spent) && ledger.spent.fits(ledger.cap);
        sound(fits, "the charge is more than was spent, or more was spent than the grant buys")?;
        sound(
            (ledger.spent_share - ledger.spent.share_of(ledger.cap)).abs() <= SLACK,
            "the share is not that of what was spent",
        )?;
        sound(mechanism.accountant == Accountant::of(&self.issuer.program), "another accountant than its program's")?;
        Ok(found)
    }

    /// Blocks that were charged, as the steps say; none where no plan has such steps.
    fn blocks(&self) -> Option<u32> {
        let work = &self.mechanism.work;
        let most = work.blocks.checked_add(work.spare_blocks)?;
        let Some(told) = self.mechanism.steps else { return (work.blocks == 0).then_some(most) };
        let each = steps(work, 1)?.charged;
        let blocks = told.charged.checked_div(each)?;
        (blocks <= most && steps(work, blocks) == Some(told)).then_some(blocks)
    }

    /// Reads an exported ledger from its first line, prices included, and finds in it all that the certificate says of
    /// the job.
    ///
    /// # Errors
    /// [`CertificateFault::Ledger`].
    pub fn check_ledger(&self, book: &Book) -> Result<(), CertificateFault> {
        let borne = |borne: bool, what: &str| match borne {
            true => Ok(()),
            false => Err(CertificateFault::Ledger(what.to_owned())),
        };
        borne(book.population == self.ledger.population, "it is the ledger of another population")?;
        book.verify(true).map_err(|fault| CertificateFault::Ledger(fault.to_string()))?;
        let charge = Charge::of(book, self.job.id)?;
        let (told, mechanism) = (&charge.position, &self.mechanism);
        borne(told.entry == self.ledger.entry, "the job's last line is another one")?;
        borne(told.head == self.ledger.head, "the digest of the job's last line is another one")?;
        borne(*told == self.ledger, "grant, charge or totals at the job's last line are other ones")?;
        let (planned, guarantee) = (charge.planned, &self.guarantee);
        borne(
            (planned.epsilon, planned.delta, charge.unit)
                == (guarantee.epsilon_planned, guarantee.delta, guarantee.unit),
            "the job was planned for another epsilon, delta or unit",
        )?;
        borne(
            charge.work == mechanism.work && charge.event == mechanism.event && charge.rule == mechanism.rule,
            "the job was charged for another plan",
        )?;
        borne(charge.facts == mechanism.facts, "the facts about the mechanism are other ones")
    }
}

impl super::certificate::Issuer {
    /// The key that is named.
    fn key(&self) -> Result<PublicKey, CertificateFault> {
        let keys = PublicKey::all_of(&self.public_key).unwrap_or_default();
        keys.into_iter().find(|key| key.id() == self.key_id).ok_or(CertificateFault::Issuer)
    }
}
