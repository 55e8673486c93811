//! How long things are kept: what a custodian chose for a dataset, within what the installation allows.

use time::OffsetDateTime;
use uuid::Uuid;

use super::datasets::Dataset;
use super::error::StoreError;
use super::scope::Scope;

/// About a hundred years: more days than anybody means.
pub const MOST_DAYS: u32 = 36_500;

/// For how long the installation keeps one kind of things.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Term {
    /// Days, where the custodian says nothing; 0 for ever.
    pub days: u32,
    /// The most days, whatever the custodian says; 0 for no limit.
    pub most: u32,
}

impl Term {
    /// Days for which something is kept for which the custodian chose so many; `None` for ever.
    #[must_use]
    pub fn of(self, chosen: Option<u32>) -> Option<u32> {
        let (days, most) = (chosen.unwrap_or(self.days), self.most);
        match (days, most) {
            (0, 0) => None,
            (0, one) | (one, 0) => Some(one),
            (days, most) => Some(days.min(most)),
        }
    }

    /// Until when something is kept that is there since then; `None` for ever, and for what is not there.
    #[must_use]
    pub fn end(self, chosen: Option<u32>, since: Option<OffsetDateTime>) -> Option<OffsetDateTime> {
        since.zip(self.of(chosen)).and_then(|(since, days)| since.checked_add(time::Duration::days(days.into())))
    }

    /// The most days that a custodian may choose, and whether for ever is allowed too.
    #[must_use]
    pub fn limit(self) -> (u32, bool) {
        if self.most == 0 { (MOST_DAYS, true) } else { (self.most.min(MOST_DAYS), false) }
    }

    /// Whether a custodian may choose so many days, 0 for ever.
    #[must_use]
    pub fn allows(self, chosen: u32) -> bool {
        let (most, for_ever) = self.limit();
        if chosen == 0 { for_ever } else { chosen <= most }
    }
}

/// For how long the installation keeps things.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retention {
    /// Uploads, from their completion on.
    pub rows: Term,
    /// What jobs left, from their end on.
    pub results: Term,
}

/// Days that a custodian chose for a dataset, 0 for ever; `None` where the installation decides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Keep {
    /// For uploads.
    pub rows_days: Option<u32>,
    /// For what jobs left.
    pub results_days: Option<u32>,
}

impl Dataset {
    /// What its custodian chose.
    #[must_use]
    pub fn keep(&self) -> Keep {
        Keep::of(self.keep_rows_days, self.keep_results_days)
    }
}

impl Keep {
    /// As the database has it.
    pub(super) fn of(rows: Option<i32>, results: Option<i32>) -> Self {
        let days = |days: Option<i32>| days.and_then(|days| u32::try_from(days).ok());
        Self { rows_days: days(rows), results_days: days(results) }
    }

    /// For the database: days for uploads and for results.
    pub(super) fn columns(self) -> (Option<i32>, Option<i32>) {
        let days = |days: Option<u32>| days.map(|days| days.min(MOST_DAYS) as i32);
        (days(self.rows_days), days(self.results_days))
    }
}

/// Chooses anew for how long the things of a dataset are kept. What is due by that goes with the next sweep.
///
/// # Errors
/// [`StoreError::NotFound`].
pub async fn set_keep(scope: &impl Scope, dataset: Uuid, keep: Keep) -> Result<(), StoreError> {
    let (mut tx, (rows, results)) = (scope.begin().await?, keep.columns());
    let chosen = sqlx::query!(
        "update datasets set keep_rows_days = $2, keep_results_days = $3 where id = $1 and deleted_at is null",
        dataset,
        rows,
        results,
    );
    if chosen.execute(&mut *tx).await?.rows_affected() == 0 {
        return Err(StoreError::NotFound("dataset"));
    }
    tx.commit().await?;
    Ok(())
}

/// What is there of a dataset's things, and what went because its time was over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// The end of the first job whose results are there.
    pub oldest_results: Option<OffsetDateTime>,
    /// When rows were last destroyed.
    pub rows_destroyed_at: Option<OffsetDateTime>,
    /// When results were last destroyed.
    pub results_destroyed_at: Option<OffsetDateTime>,
}

/// What is there of a dataset's things, and what went.
///
/// # Errors
/// Database faults only.
pub async fn kept(scope: &impl Scope, dataset: Uuid) -> Result<Kept, StoreError> {
    Ok(sqlx::query_as!(
        Kept,
        "select (select min(finished_at) from jobs j
                 where dataset_id = $1 and exists (select from artifacts a where a.job_id = j.id)) as oldest_results,
                max(destroyed_at) filter (where version is not null) as rows_destroyed_at,
                max(destroyed_at) filter (where job_id is not null) as results_destroyed_at
         from destructions where dataset_id = $1",
        dataset,
    )
    .fetch_one(&mut *scope.begin().await?)
    .await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By every pair of what may be said: never longer than the most, never longer than what was chosen.
    #[test]
    fn nothing_is_kept_longer_than_it_may_be() {
        let days = [0, 1, 2, 30, 400];
        let for_ever = |days: u32| if days == 0 { u32::MAX } else { days };
        for (default, most) in days.into_iter().flat_map(|default| days.map(|most| (default, most))) {
            let term = Term { days: default, most };
            for chosen in days.map(Some).into_iter().chain([None]) {
                let kept = term.of(chosen).unwrap_or(u32::MAX);
                assert_eq!(kept, for_ever(chosen.unwrap_or(default)).min(for_ever(most)), "{term:?} {chosen:?}");
                assert!(chosen.is_none_or(|chosen| term.allows(chosen) == (kept == for_ever(chosen))));
            }
        }
        assert!(Term::default().allows(36_500) && !Term::default().allows(36_501));
    }
}
