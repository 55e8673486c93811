//! Around all pages: strangers are asked to sign in, and what is wrong is said in a page.

use axum::Extension;
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::super::problem::Problem;
use super::super::request_id::{Dressed, RequestId};
use super::super::sessions::Ticket;
use super::super::state::App;
use super::entrance::{Asked, asking};
use super::frame::refused;
use super::viewer::Viewer;

/// Answers with pages alone.
pub(in super::super) async fn layer(State(app): State<App>, request: Request, next: Next) -> Response {
    let path = request.uri().path_and_query().map_or_else(|| "/".to_owned(), ToString::to_string);
    let id = request.extensions().get::<RequestId>().map(|id| id.0.clone()).unwrap_or_default();
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    let headers = request.headers();
    // Whoever sends nothing at all has not guessed at anything, and is not counted among those who do.
    if !app.open && is_read && !headers.contains_key(header::AUTHORIZATION) && Ticket::of(headers).is_none() {
        return dressed(asking(&Asked { next: &path, fault: None }, StatusCode::UNAUTHORIZED));
    }
    let mut response = next.run(request).await;
    let Some(problem) = response.extensions_mut().remove::<Problem>() else { return response };
    let (status, viewer) = (response.status(), response.extensions_mut().remove::<Viewer>().unwrap_or_default());
    let page = match status {
        StatusCode::UNAUTHORIZED if is_read => asking(&Asked { next: &path, fault: Some(problem.detail()) }, status),
        _ => refused(&viewer, status, (problem.title(), problem.detail()), &id),
    };
    // Limits and when to come back are said in headers.
    let mut page = dressed(page);
    for (name, value) in response.headers() {
        page.headers_mut().entry(name).or_insert_with(|| value.clone());
    }
    page
}

/// Who was let in, for a page that says what is wrong.
pub(in super::super) async fn seen(viewer: Viewer, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    response.extensions_mut().insert(viewer);
    response
}

fn dressed(response: Response) -> Response {
    (Extension(Dressed), response).into_response()
}
