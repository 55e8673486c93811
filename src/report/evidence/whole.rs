//! All evidence about one synthetic table, from samples of fixed sizes.

use rand::Rng;
use rand::seq::index;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::attributes::{Attributes, attributes};
use super::canaries::CanaryAudit;
use super::caps::Caps;
use super::closest::{ClosestRecords, closest};
use super::copies::{Copies, copies};
use super::membership::{MIN_CANDIDATES, Membership, membership};
use super::space::Space;
use crate::report::section::Section;
use crate::report::tables::Tables;

const SAYS: &str = "What attacks that are known find in the synthetic table. It can show that something is wrong. It \
                    cannot show that all is well: attacks that were not tried may find more, and averages hide single \
                    people. What bounds every attack on every person is the claimed epsilon, and it rests on how the \
                    table was made, not on these figures.";

const NO_CANARIES: &str = "The job asked for none: `report.canaries` says how many.";

/// Rows of a real table that copies are looked for in at most.
const MOST_COPIED: usize = 1_000_000;

/// What attacks find in the synthetic table, beside what was claimed. Exact, for the custodian alone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Evidence {
    /// What evidence of this kind can and cannot show.
    pub says: String,
    /// The differential privacy that the job claims; absent where it claims none.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[schema(nullable = false)]
    pub claim: Option<Claim>,
    /// Distance to the closest record.
    pub closest: Section<ClosestRecords>,
    /// Exact copies.
    pub copies: Section<Copies>,
    /// Attacks on membership.
    pub membership: Section<Membership>,
    /// Attacks on attributes.
    pub attributes: Section<Attributes>,
    /// An audit with made-up rows, where the job asked for one.
    #[serde(default = "unmeasured")]
    pub canaries: Section<CanaryAudit>,
}

/// The differential privacy that a job was planned for.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Claim {
    /// Epsilon, above 0: the smaller, the more private.
    pub epsilon: f64,
    /// Delta, the chance that is left out of epsilon.
    pub delta: f64,
}

/// A part of a report that does not have it.
#[must_use]
pub fn unmeasured<T>() -> Section<T> {
    Section::Absent { absent: "It was not measured when this report was made.".into() }
}

/// Attacks `tables.synthetic`. `rng` draws the samples that are compared: the same stream gives the same figures.
pub fn evidence<R: Rng>(tables: Tables<'_>, claim: Option<Claim>, rng: &mut R) -> Evidence {
    let attacks = Attacks { tables, space: Space::of(tables.schema), caps: Caps::of(tables.schema.width()) };
    Evidence {
        says: SAYS.into(),
        claim,
        closest: attacks.closest(rng).into(),
        copies: attacks.copies(rng).into(),
        membership: attacks.membership(claim, rng).into(),
        attributes: attacks.attributes(rng).into(),
        canaries: Section::Absent { absent: NO_CANARIES.into() },
    }
}

struct Attacks<'a> {
    tables: Tables<'a>,
    space: Space,
    caps: Caps,
}

impl Attacks<'_> {
    /// Why nothing can be compared, if so: each real table must have so many rows.
    fn enough(&self, rows: usize) -> Result<(), String> {
        let Tables { train, held_out, synthetic, .. } = self.tables;
        for (which, table, least) in
            [("synthetic", synthetic, 1), ("training", train, rows), ("held-out", held_out, rows)]
        {
            if table.rows() < least {
                return Err(match table.rows() {
                    0 => format!("There are no {which} rows to compare."),
                    _ => format!("There are fewer than {least} {which} rows: too few to compare."),
                });
            }
        }
        Ok(())
    }

    fn closest<R: Rng>(&self, rng: &mut R) -> Result<ClosestRecords, String> {
        self.enough(2)?;
        let Tables { train, held_out, synthetic, .. } = self.tables;
        let references = train.rows().min(held_out.rows()).min(self.caps.references);
        let [synthetic, train, held_out] =
            [(synthetic, self.caps.queries), (train, references), (held_out, references)]
                .map(|(table, most)| self.space.points(table, &sample(table.rows(), most, rng)));
        Ok(closest(&self.space, &synthetic, &train, &held_out))
    }

    fn copies<R: Rng>(&self, rng: &mut R) -> Result<Copies, String> {
        self.enough(1)?;
        let Tables { train, held_out, synthetic, .. } = self.tables;
        let rows = train.rows().min(held_out.rows()).min(MOST_COPIED);
        let [of_train, of_held_out] = [train, held_out].map(|table| sample(table.rows(), rows, rng));
        Ok(copies(synthetic, (train, &of_train), (held_out, &of_held_out)))
    }

    fn membership<R: Rng>(&self, claim: Option<Claim>, rng: &mut R) -> Result<Membership, String> {
        // Half of the held-out rows are known to an attacker, the others are tried.
        self.enough(2 * MIN_CANDIDATES)?;
        let Tables { train, held_out, synthetic, .. } = self.tables;
        let shuffled = index::sample(rng, held_out.rows(), held_out.rows()).into_vec();
        let (known, others) = shuffled.split_at(held_out.rows() / 2);
        let tried = train.rows().min(others.len()).min(self.caps.queries / 2);
        let members = self.space.points(train, &sample(train.rows(), tried, rng));
        let non_members = self.space.points(held_out, &others[..tried]);
        let reference = self.space.points(held_out, &known[..known.len().min(self.caps.references)]);
        let synthetic = self.space.points(synthetic, &sample(synthetic.rows(), self.caps.references, rng));
        Ok(membership(&self.space, (&members, &non_members), &reference, &synthetic, claim))
    }

    fn attributes<R: Rng>(&self, rng: &mut R) -> Result<Attributes, String> {
        self.enough(MIN_CANDIDATES)?;
        let Tables { schema, train, held_out, synthetic } = self.tables;
        let tried = train.rows().min(held_out.rows()).min(self.caps.queries / 4);
        let [train, held_out] =
            [train, held_out].map(|table| self.space.points(table, &sample(table.rows(), tried, rng)));
        let synthetic = self.space.points(synthetic, &sample(synthetic.rows(), self.caps.references, rng));
        attributes(&self.space, schema, (&train, &held_out), &synthetic)
    }
}

/// Up to `most` of so many rows, each as likely as any other: all of them in their order where they are no more.
fn sample<R: Rng>(rows: usize, most: usize, rng: &mut R) -> Vec<usize> {
    if rows <= most { (0..rows).collect() } else { index::sample(rng, rows, most).into_vec() }
}
