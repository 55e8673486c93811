//! Which page is where.

use axum::Router;
use axum::routing::{get, post};

use super::super::state::App;
use super::{assets, dataset, entrance, job, lists, overview, reference, upload};

/// Pages for which one has to be signed in.
pub(in super::super) fn routes() -> Router<App> {
    Router::new()
        .route("/", get(overview::page))
        .route("/upload", get(upload::page))
        .route("/datasets/{dataset}", get(dataset::page))
        .route("/jobs", get(lists::jobs))
        .route("/jobs/{job}", get(job::page))
        .route("/workers", get(lists::workers))
        .route("/audit", get(lists::audit))
        .route("/sign-out", post(entrance::sign_out))
}

/// What anybody may ask for.
pub(in super::super) fn open_routes() -> Router<App> {
    Router::new()
        .route("/sign-in", get(entrance::page).post(entrance::sign_in))
        .route("/docs", get(reference::page))
        .route("/assets/style.css", get(assets::style))
        .route("/assets/app.js", get(assets::script))
}
