use std::collections::HashMap;

use axum::body::Bytes;
use axum::extract::{FromRequest, Multipart, Request};
use axum::http::{StatusCode, header};

use crate::error::Failure;
use crate::order::Recording;

/// The fields of a form, sent by any method: the reference's client sends bodies with GET.
#[derive(Debug, Default)]
pub(crate) struct Form {
    texts: HashMap<String, String>,
    files: HashMap<String, Vec<u8>>,
}

impl Form {
    pub(crate) fn text(&mut self, field: &'static str) -> Option<String> {
        self.texts.remove(field)
    }

    /// A field without which there is nothing to do. FastAPI answers its absence with 422, too.
    pub(crate) fn needed(&mut self, field: &'static str) -> Result<String, Failure> {
        self.text(field).ok_or_else(|| missing(field))
    }

    pub(crate) fn recording(&mut self, field: &'static str) -> Option<Recording> {
        self.files.remove(field).map(Recording::Bytes)
    }

    pub(crate) fn needed_recording(&mut self, field: &'static str) -> Result<Recording, Failure> {
        self.recording(field).ok_or_else(|| missing(field))
    }

    /// A number or the like, if the field is there.
    pub(crate) fn parsed<T: std::str::FromStr>(
        &mut self,
        field: &'static str,
    ) -> Result<Option<T>, Failure> {
        let parse = |text: String| {
            let value = text.trim().parse();
            value.map_err(|_| Failure::field(field, format!("`{field}` cannot be `{text}`")))
        };
        self.text(field).map(parse).transpose()
    }
}

fn missing(field: &'static str) -> Failure {
    Failure {
        status: StatusCode::UNPROCESSABLE_ENTITY,
        ..Failure::field(field, format!("the form field `{field}` is missing"))
    }
}

impl<S: Send + Sync> FromRequest<S> for Form {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Self, Failure> {
        let kind = request.headers().get(header::CONTENT_TYPE);
        let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let mut form = Self::default();
        if kind.starts_with("multipart/form-data") {
            let multipart = Multipart::from_request(request, state).await;
            let mut multipart = multipart.map_err(|e| Failure::bad(e.body_text()))?;
            let failed = |e: axum::extract::multipart::MultipartError| Failure {
                status: e.status(),
                ..Failure::bad(e.body_text())
            };
            while let Some(field) = multipart.next_field().await.map_err(failed)? {
                let Some(name) = field.name().map(str::to_owned) else {
                    continue;
                };
                if field.file_name().is_some() {
                    let bytes = field.bytes().await.map_err(failed)?;
                    form.files.insert(name, bytes.to_vec());
                } else {
                    form.texts.insert(name, field.text().await.map_err(failed)?);
                }
            }
        } else {
            let bytes = body(request, state).await?;
            form.texts = form_urlencoded::parse(&bytes).into_owned().collect();
        }
        Ok(form)
    }
}

/// A request's body.
pub(crate) async fn body<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, Failure> {
    let bytes = Bytes::from_request(request, state).await;
    bytes.map_err(|e| Failure {
        status: e.status(),
        ..Failure::bad(e.body_text())
    })
}

/// A JSON body, whatever its stated type.
pub(crate) struct Body<T>(pub(crate) T);

impl<T: serde::de::DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Self, Failure> {
        let bytes = body(request, state).await?;
        let value = serde_json::from_slice(&bytes);
        value
            .map(Self)
            .map_err(|e| Failure::bad(format!("the request's JSON: {e}")))
    }
}
