use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// Why a request is refused, or failed. It is answered as OpenAI's API does, with the message once
/// more under `detail`, where clients of the reference's server look for it.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) status: StatusCode,
    /// A short name for programs.
    pub(crate) code: &'static str,
    pub(crate) message: String,
    /// The field that is wrong.
    pub(crate) field: Option<&'static str>,
    /// Seconds after which another attempt makes sense.
    pub(crate) retry_after: Option<u64>,
}

impl Failure {
    pub(crate) fn new(status: StatusCode, code: &'static str, message: impl ToString) -> Self {
        Self {
            status,
            code,
            message: message.to_string(),
            field: None,
            retry_after: None,
        }
    }

    /// Something about the request is wrong.
    pub(crate) fn bad(message: impl ToString) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request", message)
    }

    /// A field of the request is wrong.
    pub(crate) fn field(field: &'static str, message: impl ToString) -> Self {
        Self {
            field: Some(field),
            ..Self::bad(message)
        }
    }

    pub(crate) fn internal(message: impl ToString) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal_error", message)
    }

    pub(crate) fn timeout() -> Self {
        Self::new(
            StatusCode::GATEWAY_TIMEOUT,
            "time_limit",
            "the time limit for a request was reached: say less at once, or try again later",
        )
    }
}

/// What the engine refuses is the request's fault; what it fails at is not.
impl From<native::Error> for Failure {
    fn from(error: native::Error) -> Self {
        let message = native::error_chain(&error);
        match error {
            native::Error::Input(_) | native::Error::Format { .. } => Self::bad(message),
            _ => Self::internal(message),
        }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let kind = match self.status.is_server_error() {
            true => "server_error",
            false => "invalid_request_error",
        };
        let body = json!({
            "error": {
                "message": self.message,
                "type": kind,
                "param": self.field,
                "code": self.code,
            },
            "detail": self.message,
        });
        let mut response = (self.status, Json(body)).into_response();
        if let Some(seconds) = self.retry_after {
            let headers = response.headers_mut();
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            let bearer = HeaderValue::from_static("Bearer");
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, bearer);
        }
        response
    }
}
