//! What is exact about private rows, and who may see it.

/// What a key may do. Each role may do what those before it may.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    sqlx::Type,
    serde::Serialize,
    serde::Deserialize,
    utoipa::ToSchema,
)]
#[sqlx(type_name = "text", rename_all = "lowercase")]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Jobs within granted budgets, and what is released.
    Analyst,
    /// Uploads and budgets, and everything about jobs.
    Custodian,
    /// Everything.
    Admin,
}

impl Role {
    /// All roles, the least first.
    pub const ALL: [Self; 3] = [Self::Analyst, Self::Custodian, Self::Admin];

    /// The word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Analyst => "analyst",
            Self::Custodian => "custodian",
            Self::Admin => "admin",
        }
    }

    /// The proof that whoever has this role may see exact facts; none for analysts.
    #[must_use]
    pub fn custodian_key(self) -> Option<CustodianKey> {
        (self >= Self::Custodian).then_some(CustodianKey(()))
    }
}

/// Proof that somebody may see exact facts. Only a [`Role`] gives one.
#[derive(Clone, Copy, Debug)]
pub struct CustodianKey(());

/// Something that depends on private rows and is covered by no epsilon: an exact count, a reason for a
/// failure, the time that a step took. It cannot be written into an answer, and opens only with a
/// [`CustodianKey`].
#[derive(Clone, Debug, PartialEq)]
pub struct Custodial<T>(T);

impl<T> Custodial<T> {
    /// Closes something up.
    pub fn new(exact: T) -> Self {
        Self(exact)
    }

    /// Opens it.
    pub fn open(self, _: &CustodianKey) -> T {
        self.0
    }

    /// Looks into it.
    pub fn look(&self, _: &CustodianKey) -> &T {
        &self.0
    }
}
