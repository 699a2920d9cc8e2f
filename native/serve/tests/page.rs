//! The page in a real browser. Skipped with a message if Chromium is not installed.

use std::io::Write as _;

use tokio::net::TcpListener;

use crate::asking::{by_fox, pcm, runtime, said, server};
use crate::chromium::{Chromium, find};

#[test]
fn the_page_says_a_text_plays_it_and_offers_it_as_a_file() {
    let Some(program) = find() else {
        let line = b"SKIPPED: no Chromium here; the server's page was not looked at in a browser\n";
        std::io::stderr().write_all(line).unwrap();
        return;
    };
    let (server, _folder) = server(|config| config.api_key = Some("secret".to_owned()));
    let listener = runtime()
        .block_on(TcpListener::bind("127.0.0.1:0"))
        .unwrap();
    let address = format!("http://{}/", listener.local_addr().unwrap());
    let serving = runtime().spawn(server.serve(listener, std::future::pending()));
    let mut browser = Chromium::open(&program, &address);
    // The key is asked for, and then the voices are there.
    browser.wait_for("!document.querySelector('#key-field').hidden");
    browser.value("(() => { key.value = 'secret'; key.dispatchEvent(new Event('change')); })()");
    browser.wait_for("[...voice.options].map(o => o.value).join() === 'fox'");
    browser.value("(() => { text.value = 'Hello there.'; seed.value = 8; document.querySelector('#say').click(); })()");
    browser.wait_for("!download.hidden && !document.querySelector('#say').disabled");
    let status = browser.value("document.querySelector('#status').textContent");
    let expected = said(&by_fox("Hello there.", 8).streamed());
    let seconds = format!("{:.2} s of speech", expected.len() as f64 / 24_000.0);
    assert!(status.as_str().unwrap().starts_with(&seconds), "{status}");
    assert!(status.as_str().unwrap().ends_with("seed 8"), "{status}");
    // The sound card is at work, and what can be downloaded is the sound itself.
    browser.wait_for("context.state === 'running' && context.currentTime > 0");
    let bytes = browser
        .value("fetch(download.href).then(r => r.arrayBuffer()).then(b => [...new Uint8Array(b)])");
    let bytes: Vec<u8> = serde_json::from_value(bytes).unwrap();
    assert_eq!(&bytes[..4], b"RIFF");
    assert!(bytes[44..] == pcm(&expected));
    // A failure is shown.
    browser.value("(() => { text.value = '...'; document.querySelector('#say').click(); })()");
    browser.wait_for("document.querySelector('#status').textContent.includes('nothing to say')");
    drop(browser);
    serving.abort();
}
