//! All routes.

use axum::Router;
use axum::http::{StatusCode, header};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::IntoResponse;
use axum::routing::get;
use tower_http::catch_panic::CatchPanicLayer;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::problem::Problem;
use super::state::App;
use super::{
    audit, auth, budgets, certificates, comparisons, datasets, estimates, events, headers, health, jobs, keys, limits,
    metrics, openapi, pages, patience, proposals, reports, request_id, results, retention, role, rows, samples,
    submission, workers,
};

/// The service, ready to be served.
pub fn router(app: App) -> Router {
    let document = openapi::document();
    let json = serde_json::to_string(&document).unwrap_or_default();
    let yaml = document.to_yaml().unwrap_or_default();
    let (guarded, _) = guarded_routes().split_for_parts();
    let guarded = told_of(guarded.route_layer(from_fn(role::layer)), &app);
    let pages = pages::routes().route_layer(from_fn(role::layer));
    let pages = told_of(pages.route_layer(from_fn_with_state(app.clone(), pages::seen)), &app);
    let pages = pages.route_layer(from_fn_with_state(app.clone(), pages::layer));
    let (open, _) = open_routes().split_for_parts();
    let counted = app.metrics.clone();
    guarded
        .merge(pages)
        .merge(pages::open_routes())
        .merge(open)
        .route("/openapi.json", get(move || async move { ([(header::CONTENT_TYPE, "application/json")], json) }))
        .route("/openapi.yaml", get(move || async move { ([(header::CONTENT_TYPE, "application/yaml")], yaml) }))
        .fallback(async || Problem::of_status(StatusCode::NOT_FOUND))
        .layer(from_fn(patience::layer))
        // A panic says nothing to the client; the hook has logged where it happened.
        .layer(CatchPanicLayer::custom(|_: Box<dyn std::any::Any + Send>| {
            Problem::of_status(StatusCode::INTERNAL_SERVER_ERROR).into_response()
        }))
        .layer(from_fn(request_id::layer))
        .layer(from_fn(headers::layer))
        .layer(from_fn_with_state(counted, metrics::layer))
        .with_state(app)
}

/// Routes with the layers that ask who calls, from the inside out: who it is is known before it is counted, and what a
/// key may not do is told of too.
fn told_of(routes: Router<App>, app: &App) -> Router<App> {
    routes
        .route_layer(from_fn_with_state(app.clone(), audit::layer))
        .route_layer(from_fn_with_state(app.clone(), limits::layer))
        .route_layer(from_fn_with_state(app.clone(), auth::layer))
}

/// Routes for which a key is needed.
pub(super) fn guarded_routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(datasets::create, datasets::list))
        .routes(routes!(datasets::get, datasets::delete))
        .routes(routes!(rows::put))
        .routes(routes!(proposals::create))
        .routes(routes!(comparisons::get))
        .routes(routes!(budgets::get, budgets::raise))
        .routes(routes!(budgets::ledger))
        .routes(routes!(retention::choose))
        .routes(routes!(estimates::create))
        .routes(routes!(submission::submit, jobs::list))
        .routes(routes!(jobs::get))
        .routes(routes!(jobs::cancel))
        .routes(routes!(workers::attempts))
        .routes(routes!(workers::list))
        .routes(routes!(events::events))
        .routes(routes!(results::synthetic))
        .routes(routes!(reports::report))
        .routes(routes!(certificates::get))
        .routes(routes!(certificates::keys))
        .routes(routes!(samples::create))
        .routes(routes!(keys::create, keys::list))
        .routes(routes!(keys::revoke))
        .routes(routes!(audit::list))
        .routes(routes!(audit::chain))
}

/// Routes that anyone may call.
pub(super) fn open_routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(health::alive)).routes(routes!(health::ready))
}
