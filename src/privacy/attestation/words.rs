//! What a certificate means, in words for people.

use super::certificate::Certificate;
use crate::privacy::ledger::{UnitKind, Work};

/// What is promised.
#[must_use]
pub fn promises(certificate: &Certificate) -> Vec<String> {
    let (guarantee, ledger) = (&certificate.guarantee, &certificate.ledger);
    if certificate.mechanism.work == Work::nothing() {
        return vec!["Nothing was read that is private: the rows of the table were declared public.".to_owned()];
    }
    let unit = match (guarantee.unit, &guarantee.person) {
        (UnitKind::Person, Some(person)) => format!(
            "one person, that is all rows with the same value of `{}`, of which at most {} count",
            person.column, person.max_rows
        ),
        (UnitKind::Person, None) => "one person".to_owned(),
        (UnitKind::Row, _) => "one row".to_owned(),
    };
    let figures = match certificate.reports.released_epsilon {
        bought if bought > 0.0 => Some(format!(
            "Part of that are figures about how close the synthetic table comes to the private one, for everybody: they are \
             ({bought}, {})-differentially private by themselves.",
            guarantee.delta.get()
        )),
        _ => None,
    };
    let mut words = vec![
        format!(
            "By itself, all that the job released (synthetic rows, trained weights, noisy counts, its public state) is \
             ({}, {})-differentially private for adding or removing {unit}.",
            (guarantee.epsilon * 1e4).ceil() / 1e4,
            guarantee.delta.get()
        ),
        format!(
            "Together with everything else that was and will be released about the same people under this budget, it is \
             ({}, {})-differentially private, while the grant is not raised: this is the promise to rely on when there are \
             other jobs, also when they were chosen by the results of earlier ones.",
            ledger.epsilon_guaranteed.get(),
            ledger.delta.get()
        ),
        "The noise and its amount were fixed before any private row was read, and what they cost was written down before \
         the noise was drawn; interrupted work that was repeated is covered by that charge."
            .to_owned(),
        "Whatever is computed from the synthetic rows keeps the promise: it cannot be worn out by looking.".to_owned(),
    ];
    words.extend(figures);
    words
}

/// What is not promised.
#[must_use]
pub fn does_not_promise(certificate: &Certificate) -> Vec<String> {
    let guarantee = &certificate.guarantee;
    let mut words = vec![
        "That the synthetic table is like the private one, or fit for a purpose.".to_owned(),
        "Anything about the schema (names, categories, ranges) and the declared numbers of rows or persons: they are \
         taken as public."
            .to_owned(),
        "Anything about how long the job took or how much memory it used, nor against whoever controls the machine.".to_owned(),
        "Anything about what is told outside of this budget: by the custodian from exact reports or the table itself, or \
         under other budgets that share people with this one."
            .to_owned(),
        "That a statement which holds for everybody, and may harm somebody, cannot be learned: only that it would be learned \
         without this person's data too."
            .to_owned(),
        "That the program has no fault: the signature says who makes these statements, not that they were audited.".to_owned(),
    ];
    if guarantee.unit == UnitKind::Row {
        words.push(
            "The same protection for people with several rows: whoever has k of them has less, as for k rows."
                .to_owned(),
        );
    }
    if guarantee.epsilon > 5.0 {
        words.push(format!(
            "Much protection by the bound alone: epsilon {:.2} allows that a guess about somebody becomes {:.0} times as \
             likely.",
            guarantee.epsilon,
            guarantee.epsilon.exp()
        ));
    }
    if certificate.reports.exact_for_custodian {
        words.push("Anything about the custodian's report on this job: it is exact, and not for release.".to_owned());
    }
    words
}
