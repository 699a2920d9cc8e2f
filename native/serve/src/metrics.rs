//! What Prometheus is told.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

use crate::app::App;
use crate::say::{Outcome, Summary};

/// Counters of everything that was asked and said.
pub(crate) struct Metrics {
    orders: Family<Order, Counter>,
    answers: Family<Answer, Counter>,
    pub(crate) refused: Counter,
    speech: Counter<f64, AtomicU64>,
    tokens: Counter,
    took: Histogram,
    first_sound: Histogram,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Order {
    route: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answer {
    status: u32,
}

impl Default for Metrics {
    fn default() -> Self {
        // From 50 ms to 205 s.
        let seconds = || Histogram::new(exponential_buckets(0.05, 2.0, 13));
        Self {
            orders: Family::default(),
            answers: Family::default(),
            refused: Counter::default(),
            speech: Counter::default(),
            tokens: Counter::default(),
            took: seconds(),
            first_sound: seconds(),
        }
    }
}

impl Metrics {
    /// Notes how an order ended that was taken.
    pub(crate) fn said(&self, route: &'static str, outcome: Outcome, summary: &Summary, took: f64) {
        let outcome = match outcome {
            Outcome::Done => "done",
            Outcome::Failed => "failed",
            Outcome::Cancelled => "cancelled",
        };
        self.orders.get_or_create(&Order { route, outcome }).inc();
        self.speech.inc_by(summary.seconds());
        self.tokens.inc_by(summary.tokens as u64);
        self.took.observe(took);
        if let Some(first) = summary.first_sound {
            self.first_sound.observe(first);
        }
    }

    /// Notes an answer.
    pub(crate) fn answered(&self, status: u16) {
        self.answers
            .get_or_create(&Answer {
                status: status.into(),
            })
            .inc();
    }

    /// Everything in the text format of Prometheus.
    pub(crate) fn text(&self, app: &App) -> Result<String, std::fmt::Error> {
        let mut registry = Registry::with_prefix("native");
        registry.register("http_responses", "Answers, by status", self.answers.clone());
        registry.register(
            "requests",
            "Requests that a worker took, by route and outcome",
            self.orders.clone(),
        );
        registry.register(
            "requests_refused",
            "Requests for which the queue had no place",
            self.refused.clone(),
        );
        registry.register(
            "speech_seconds",
            "Seconds of speech made",
            self.speech.clone(),
        );
        registry.register(
            "speech_tokens",
            "Speech tokens sampled",
            self.tokens.clone(),
        );
        registry.register(
            "request_duration_seconds",
            "Seconds from a request to its last sound",
            self.took.clone(),
        );
        registry.register(
            "first_sound_seconds",
            "Seconds from a worker's start to the first sound",
            self.first_sound.clone(),
        );
        let gauge = |value: usize| ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
        let (length, running) = (app.queue.length(), app.queue.running());
        registry.register(
            "requests_running",
            "Requests that are being said",
            gauge(running),
        );
        registry.register(
            "requests_waiting",
            "Requests that wait for their turn",
            gauge(length.saturating_sub(running)),
        );
        registry.register(
            "active_streams",
            "Threads of streamed requests",
            gauge(app.engine.active_streams()),
        );
        let mut text = String::new();
        encode(&mut text, &registry)?;
        Ok(text)
    }
}
