//! Lists in pages: `?limit=&cursor=`, answered by `items` and `next_cursor`.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::problem::Problem;
use super::role::View;

/// Which page.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct PageParams {
    /// Most items in the answer, 1 to 200; 50 unless given.
    pub limit: Option<u16>,
    /// `next_cursor` of the page before.
    pub cursor: Option<Uuid>,
    /// `released` or `custodian`; the most that the key may see unless given.
    #[param(inline)]
    pub view: Option<View>,
}

impl PageParams {
    /// The limit, checked.
    pub fn limit(&self) -> Result<i64, Problem> {
        limit(self.limit)
    }
}

/// How many items a page has at most, checked.
pub(super) fn limit(asked: Option<u16>) -> Result<i64, Problem> {
    match asked.unwrap_or(50) {
        limit @ 1..=200 => Ok(i64::from(limit)),
        _ => Err(Problem::invalid("query.limit", "limit is a number from 1 to 200")),
    }
}

/// Leaves at most `limit` of items of which one more was fetched, and gives the cursor of the last where there are more.
pub(super) fn cut<T, C>(items: &mut Vec<T>, limit: i64, cursor: impl Fn(&T) -> C) -> Option<C> {
    let more = items.len() > limit as usize;
    items.truncate(limit as usize);
    items.last().filter(|_| more).map(cursor)
}

/// One page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Page<T: ToSchema> {
    /// The items.
    pub items: Vec<T>,
    /// The `cursor` of the next page, or null when this is the last.
    pub next_cursor: Option<Uuid>,
}

/// One page of a list whose cursors are no ids.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Listed<T: ToSchema> {
    /// The items.
    pub items: Vec<T>,
    /// The `cursor` of the next page, or null when this is the last.
    pub next_cursor: Option<String>,
}

impl<T: ToSchema> Listed<T> {
    /// A page of at most `limit` items from one that was fetched with one more.
    pub fn cut(mut items: Vec<T>, limit: i64, cursor: impl Fn(&T) -> String) -> Self {
        let next_cursor = cut(&mut items, limit, cursor);
        Self { items, next_cursor }
    }
}

impl<T: ToSchema> Page<T> {
    /// A page of at most `limit` items from one that was fetched with one more.
    pub fn cut(mut items: Vec<T>, limit: i64, id: impl Fn(&T) -> Uuid) -> Self {
        let next_cursor = cut(&mut items, limit, id);
        Self { items, next_cursor }
    }
}
