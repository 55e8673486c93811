//! The parts of a report that need more of a job than its rows: what its language model knows and took, and what
//! attacks find in the light of what was claimed.

use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;

use crate::engine::{CanaryRows, Learnt, Outcome, Plan, Unconstrained, perplexity};
use crate::marginals::Distribution;
use crate::privacy::DpEvent;
use crate::report::evidence::{CanaryAudit, canary_audit, cell_by_cell, evidence};
use crate::report::language::{Energy, Generation, LanguageView, Perplexities, TokenPerplexities, Validity};
use crate::report::{Claim, CustodianReport, Section, Tables};
use crate::tabular::Codec;

/// Samples of tables, and rows that are written for a test, are the same whenever a report is made again. Nothing of
/// this is noise.
const SEED: u64 = 7;

const COMPACT: &str = "The model writes one token a column, and every token is a value of its column: there are no \
                    tokens of names, and no form without constraints.";
const NO_ROWS: &str = "There are no held-out rows, or the model gave them no figure.";

/// A job that has rows.
pub(super) struct Appraisal<'a> {
    pub plan: &'a Plan,
    pub codec: &'a Codec,
    pub outcome: &'a Outcome,
    pub tables: Tables<'a>,
    /// Epsilon and delta that the job was planned for.
    pub planned: (f64, f64),
    pub energy: Energy,
    /// The canaries among the rows that it was trained on, if there are any.
    pub canaries: Option<&'a CanaryRows>,
}

impl Appraisal<'_> {
    /// Puts its parts into a report.
    pub fn add_to(&self, report: &mut CustodianReport) {
        let (epsilon, delta) = self.planned;
        // A job on a public table, without noise, claims nothing.
        let claim = (self.plan.event != DpEvent::nothing()).then_some(Claim { epsilon, delta });
        let mut evidence = evidence(self.tables, claim, &mut ChaCha20Rng::seed_from_u64(SEED));
        if let Some(canaries) = self.canaries {
            evidence.canaries = self.audit(canaries, claim.map_or(0.0, |claim| claim.delta)).into();
        }
        report.evidence = Section::Measured(evidence);
        let learnt = self.outcome.model.as_ref().ok_or("The job trained no language model.".to_owned());
        report.language = learnt.map(|learnt| self.language(learnt)).into();
    }

    fn audit(&self, canaries: &CanaryRows, delta: f64) -> Result<CanaryAudit, String> {
        let Tables { schema, synthetic, .. } = self.tables;
        let found = canaries.likelihoods((self.plan, schema, self.codec), self.outcome);
        let (scored_by, mut scores) = found.ok_or("What the job left gives the canaries no probability.")?;
        let usual = cell_by_cell(schema, synthetic, &canaries.rows);
        scores.iter_mut().zip(usual).for_each(|(score, usual)| *score -= usual);
        canary_audit((scored_by, &scores), &canaries.inside, delta)
    }

    fn language(&self, learnt: &Learnt) -> LanguageView {
        let Self { plan, codec, outcome, energy, .. } = *self;
        let word = match codec {
            Codec::Compact(_) => "compact",
            Codec::Text(_) => "text",
        };
        let free = Unconstrained::new(plan, codec, learnt);
        let wrote = outcome.drawn.iter().find_map(|drawn| drawn.effort);
        let generation = wrote.and_then(|wrote| Generation::of(wrote.rows, wrote.tokens, wrote.seconds));
        let validity = free.as_ref().map(|free| free.valid(&mut ChaCha20Rng::seed_from_u64(SEED)));
        LanguageView {
            perplexity: self.perplexity(learnt, free.as_ref()).into(),
            validity: validity.map(|(valid, rows)| Validity::of(valid, rows)).ok_or(COMPACT.to_owned()).into(),
            generation: generation.ok_or("The language model wrote no rows of this table.".to_owned()).into(),
            energy: Section::Measured(energy),
            ..LanguageView::new(word)
        }
    }

    fn perplexity(&self, learnt: &Learnt, free: Option<&Unconstrained<'_>>) -> Result<Perplexities, String> {
        let Self { plan, codec, outcome, tables, .. } = *self;
        let distribution = outcome.distribution.as_deref().and_then(|bytes| Distribution::from_bytes(bytes).ok());
        let values = perplexity((plan, tables.schema, codec), learnt, distribution.as_ref(), tables.held_out);
        let names = match free {
            None => Err(COMPACT.to_owned()),
            Some(free) => free.perplexity(tables.held_out).ok_or(NO_ROWS.to_owned()),
        };
        let names =
            names.map(|found| TokenPerplexities { names: found.names, values: found.values, rows: found.rows }).into();
        values.map(|values| Perplexities { values, names }).ok_or(NO_ROWS.to_owned())
    }
}
