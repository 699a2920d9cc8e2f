use axum::http::header;
use axum::response::{Html, IntoResponse};

/// Nothing but what it carries itself, and this server.
const POLICY: &str = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; \
                      connect-src 'self' blob:; media-src blob:; img-src data:; frame-ancestors 'none'; \
                      base-uri 'none'; form-action 'none'";

/// `GET /`: a page to try the server.
pub(crate) async fn page() -> impl IntoResponse {
    (
        [(header::CONTENT_SECURITY_POLICY, POLICY)],
        Html(include_str!("page.html")),
    )
}
