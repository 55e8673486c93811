//! Attacks on membership: was this person's row in the training table?

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::figures::Proportion;
use super::intervals::LEVEL;
use super::nearest::{Nearest, nearest};
use super::separation::{area_with_interval, implied_epsilon, operating};
use super::space::{Points, Space};
use super::whole::Claim;

/// Members, and non-members, without which no attack is tried.
pub const MIN_CANDIDATES: usize = 20;

/// Real rows that say how crowded it is around a record.
const NEIGHBOURS: usize = 5;

const SAYS: &str = "An attacker who knows a person's whole row, and has the synthetic table alone, guesses whether \
                    the row was in the training table. He is tried on training rows (members) and on as many held-out \
                    rows (non-members). An area of 0.5 is guessing, 1 is certainty. An area near 0.5 says that these \
                    attacks fail on the average person; it cannot say that every attack fails, or that they fail on \
                    the most unusual person. The hits at 1 % false alarms show whether a few are found with \
                    confidence. The epsilon that the attack implies is what it refutes: the true epsilon is at least \
                    that, if records count as tries of their own. It is far below the claimed epsilon when all is \
                    well, and being below proves nothing; being above would disprove the claim.";

/// What attackers with the synthetic table can tell about who was in the training table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Membership {
    /// What this can and cannot show.
    pub says: String,
    /// Training rows that were tried, at most 2,000 (fewer in tables of more than 16 columns).
    pub members: usize,
    /// Held-out rows that were tried: as many.
    pub non_members: usize,
    /// Other held-out rows, which one of the attackers knows, at most 20,000 (fewer in tables of more than 16 columns).
    pub reference_rows: usize,
    /// Synthetic rows that the attackers have, at most 20,000 (fewer in tables of more than 16 columns).
    pub synthetic_rows: usize,
    /// The attacks.
    pub attacks: Vec<Attack>,
    /// The largest epsilon that the attacks together refute with 95 % certainty, at the delta of the claim: 0 where
    /// they refute none. To be held against the claimed epsilon.
    pub epsilon_at_least: f64,
}

/// One attack.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Attack {
    /// `closeness`: the nearer the closest synthetic row, the likelier a member. `relative_distance`: the nearer it is
    /// for a place so crowded with people, which the attacker judges by real rows that were not trained on, the
    /// likelier a member.
    pub attack: String,
    /// The area under the ROC curve: how often a member scores above a non-member. From 0 to 1; 0.5 is ideal, and an
    /// interval that holds it is what no leak looks like.
    pub area: Proportion,
    /// What is found at few false alarms.
    pub at: Vec<Operating>,
    /// The largest epsilon that this attack refutes with 97.5 % certainty (there are two attacks), 0 where it refutes
    /// none.
    pub epsilon_at_least: f64,
}

/// How many members are found when few non-members may be taken for one.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Operating {
    /// The part of non-members that may be taken for members: 0.01 or 0.1.
    pub allowed_alarms: f64,
    /// The part that was: less where many scores are equal.
    pub alarms: f64,
    /// The part of members that were found, with its exact interval. As large as `alarms` is ideal.
    pub hits: Proportion,
}

/// Tries both attacks. `candidates` are members and non-members, at least one of each; `reference` are real rows that
/// are none of them; neither that nor `synthetic` is empty.
#[must_use]
pub fn membership(
    space: &Space,
    (members, non_members): (&Points, &Points),
    reference: &Points,
    synthetic: &Points,
    claim: Option<Claim>,
) -> Membership {
    let near = |among: &Points, count: usize| [members, non_members].map(|points| nearest(space, points, among, count));
    let (to_synthetic, to_reference) = (near(synthetic, 1), near(reference, NEIGHBOURS));
    let closeness = to_synthetic.each_ref().map(|near| near.first().map(|distance| -distance).collect());
    let least = least(&to_reference);
    // The nearest synthetic row is what a copy is; of real rows several say better how crowded it is there.
    let relative = |side: usize| {
        let (synthetic, real) = (&to_synthetic[side], &to_reference[side]);
        let score = |i: usize| (mean(real.of(i)) + least).ln() - (mean(synthetic.of(i)) + least).ln();
        (0..[members, non_members][side].len()).map(score).collect()
    };
    let delta = claim.map_or(0.0, |claim| claim.delta);
    let attacks =
        vec![attack("closeness", &closeness, delta), attack("relative_distance", &[relative(0), relative(1)], delta)];
    Membership {
        says: SAYS.into(),
        members: members.len(),
        non_members: non_members.len(),
        reference_rows: reference.len(),
        synthetic_rows: synthetic.len(),
        epsilon_at_least: attacks.iter().map(|attack| attack.epsilon_at_least).fold(0.0, f64::max),
        attacks,
    }
}

fn attack(name: &str, [members, others]: &[Vec<f64>; 2], delta: f64) -> Attack {
    let at = |allowed_alarms: f64| {
        let (hits, alarms) = operating(members, others, allowed_alarms);
        Operating { allowed_alarms, alarms, hits }
    };
    Attack {
        attack: name.into(),
        area: area_with_interval(members, others),
        at: [0.01, 0.1].map(at).to_vec(),
        epsilon_at_least: implied_epsilon(members, others, delta, (1.0 - LEVEL) / 2.0),
    }
}

/// A small distance that keeps ratios of distances finite: a tenth of the mean distance of candidates to the nearest
/// real row that is none of them, or a tiny one where all are 0. A mean: in tables of few different rows the median is
/// 0.
fn least(to_reference: &[Nearest; 2]) -> f64 {
    let distances: Vec<f64> = to_reference.iter().flat_map(Nearest::first).collect();
    let mean = distances.iter().sum::<f64>() / distances.len().max(1) as f64;
    if mean > 0.0 { 0.1 * mean } else { 1e-3 }
}

fn mean(distances: &[f32]) -> f64 {
    distances.iter().copied().map(f64::from).sum::<f64>() / distances.len().max(1) as f64
}
