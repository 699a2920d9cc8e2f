//! Who may ask.

use axum::body::Body;
use axum::http::{Method, Request, StatusCode, header};

use crate::asking::Asked;

fn request(path: &str, headers: &[(&str, &str)]) -> Request<Body> {
    let request = headers
        .iter()
        .fold(Request::get(path), |request, (name, value)| {
            request.header(*name, *value)
        });
    request.body(Body::empty()).unwrap()
}

#[test]
fn a_key_is_needed_everywhere_but_at_the_page_and_for_health() {
    let server = Asked::new(|config| config.api_key = Some("secret".to_owned()));
    let ask = |path: &str, key: Option<&str>| {
        let headers: Vec<_> = key.map(|key| ("authorization", key)).into_iter().collect();
        server.ask(request(path, &headers))
    };
    for path in ["/", "/health"] {
        assert_eq!(ask(path, None).status, StatusCode::OK, "{path}");
    }
    for path in [
        "/v1/models",
        "/v1/audio/voices",
        "/speakers",
        "/metrics",
        "/nowhere",
    ] {
        for key in [
            None,
            Some("Bearer "),
            Some("Bearer secre"),
            Some("secret"),
            Some("Basic secret"),
        ] {
            let answer = ask(path, key);
            assert!(
                answer.refused(401).contains("Authorization: Bearer"),
                "{path}"
            );
            assert_eq!(answer.header("www-authenticate"), "Bearer");
        }
    }
    assert_eq!(
        ask("/v1/models", Some("Bearer secret")).status,
        StatusCode::OK
    );
}

#[test]
fn pages_of_other_servers_may_ask_only_if_they_are_named() {
    let server = Asked::new(|config| config.origins.push("https://good.example".to_owned()));
    let ask = |origin| {
        server.ask(request(
            "/v1/models",
            &[("host", "127.0.0.1:8000"), ("origin", origin)],
        ))
    };
    assert_eq!(ask("http://127.0.0.1:8000").status, StatusCode::OK);
    let good = ask("https://good.example").ok();
    assert_eq!(
        good.header("access-control-allow-origin"),
        "https://good.example"
    );
    for origin in ["https://evil.example", "http://127.0.0.1:8001", "null"] {
        let answer = ask(origin);
        assert!(answer.refused(403).contains("--allow-origin"));
        assert!(
            !answer
                .headers
                .contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN)
        );
    }
    let preflight = Request::builder()
        .method(Method::OPTIONS)
        .uri("/v1/audio/speech")
        .header("host", "127.0.0.1:8000")
        .header("origin", "https://good.example")
        .body(Body::empty())
        .unwrap();
    let answer = server.ask(preflight);
    assert_eq!(answer.status, StatusCode::NO_CONTENT);
    assert!(
        answer
            .header("access-control-allow-headers")
            .contains("authorization")
    );
}
