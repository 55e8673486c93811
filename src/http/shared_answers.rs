//! Refusals that many routes share, written into the contract once for all of them.

use utoipa::openapi::path::Operation;
use utoipa::openapi::{Content, OpenApi, PathItem, ResponseBuilder};

/// All operations of a document.
pub(super) fn operations(document: &mut OpenApi) -> impl Iterator<Item = &mut Operation> {
    document.paths.paths.values_mut().flat_map(|path| {
        let PathItem { get, put, post, delete, patch, .. } = path;
        [get, put, post, delete, patch].into_iter().flatten()
    })
}

/// Adds to every operation that asks for a key what it may be answered before, or beside, its own work.
pub(super) fn add(document: &mut OpenApi) {
    operations(document).for_each(of_operation);
}

fn of_operation(operation: &mut Operation) {
    let has_json = operation.request_body.is_some() && !operation.responses.responses.contains_key("413");
    let has_parameters = operation.parameters.as_ref().is_some_and(|parameters| !parameters.is_empty());
    let refusals = [
        ("400", has_json, "`json_malformed`: the body is not JSON"),
        ("401", true, "`unauthorized`: no key, or one that is not known, revoked or at its end"),
        ("403", true, "`forbidden`: the key's role may not do that"),
        ("415", has_json, "`unsupported_media_type`: the body is not said to be JSON"),
        (
            "422",
            has_json || has_parameters,
            "`request_invalid`: `errors` say which member or parameter, and what it may be",
        ),
        ("503", true, "`unavailable`: the database or the storage cannot be reached; nothing was done"),
    ];
    for (status, applies, what) in refusals {
        if applies {
            let problem =
                ResponseBuilder::new().description(what).content("application/problem+json", Content::default());
            operation.responses.responses.entry(status.into()).or_insert_with(|| problem.build().into());
        }
    }
}
