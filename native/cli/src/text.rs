use std::io::{BufRead, BufReader, Write};

use anyhow::{Context, bail};
use clap::Args as ClapArgs;
use native::text::TextFrontend;
use serde_json::{Value, json};

use crate::options::{ModelDirOption, TextOptions};

/// Show what the text frontend makes of a text: normalised, split, tokenised.
///
/// Example: native text "It costs $5.20, due on May 3rd."
#[derive(ClapArgs)]
pub struct Args {
    /// The text [default: read from standard input]
    text: Option<String>,
    #[command(flatten)]
    model: ModelDirOption,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// Read one JSON string a line and answer each with one JSON object a line. A line that cannot
    /// be answered does not end it, but the exit status is 1
    #[arg(long, conflicts_with = "text")]
    lines: bool,
    /// Keep the text whole, as a prompt's text is
    #[arg(long)]
    no_split: bool,
    #[command(flatten)]
    options: TextOptions,
}

impl Args {
    pub fn run(self) -> anyhow::Result<()> {
        let rules = self.options.text_rules.clone();
        let dir = self.model.open()?.with_text_rules(rules);
        let frontend = dir.text_frontend(self.options.frontend())?;
        if self.lines {
            return self.answer_lines(&frontend);
        }
        let text = match &self.text {
            Some(text) => text.clone(),
            None => std::io::read_to_string(std::io::stdin()).context("standard input")?,
        };
        let answer = Answer::of(&frontend, &text, !self.no_split)?;
        let mut out = std::io::stdout().lock();
        if self.json {
            writeln!(out, "{}", answer.json())?;
        } else {
            answer.print(&mut out)?;
        }
        Ok(())
    }

    fn answer_lines(&self, frontend: &TextFrontend) -> anyhow::Result<()> {
        let mut lines = BufReader::new(std::io::stdin().lock());
        let mut out = std::io::BufWriter::new(std::io::stdout().lock());
        let mut line = Vec::new();
        let (mut answered, mut failed) = (0, 0);
        while lines
            .read_until(b'\n', &mut line)
            .context("standard input")?
            > 0
        {
            let answer = serde_json::from_slice::<String>(&line)
                .map_err(|e| format!("not a JSON string: {e}"))
                .and_then(|text| {
                    Answer::of(frontend, &text, !self.no_split).map_err(|e| e.to_string())
                });
            match answer {
                Ok(answer) => writeln!(out, "{}", answer.json())?,
                Err(e) => {
                    failed += 1;
                    writeln!(out, "{}", json!({ "error": e }))?;
                }
            }
            answered += 1;
            line.clear();
            // A caller that sends one line at a time waits for the answer before sending the next.
            if lines.buffer().is_empty() {
                out.flush()?;
            }
        }
        out.flush()?;
        if failed > 0 {
            bail!("{failed} of {answered} lines were not answered: their answers are the errors");
        }
        Ok(())
    }
}

struct Answer {
    normalized: String,
    segments: Vec<String>,
    ids: Vec<Vec<u32>>,
    warnings: Vec<String>,
}

impl Answer {
    fn of(frontend: &TextFrontend, text: &str, split: bool) -> native::Result<Self> {
        let normalized = frontend.normalize(text, split)?;
        let ids = normalized
            .segments
            .iter()
            .map(|s| frontend.ids(s))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            normalized: normalized.text,
            segments: normalized.segments,
            ids,
            warnings: normalized.warnings,
        })
    }

    fn json(&self) -> Value {
        json!({
            "normalized": self.normalized,
            "segments": self.segments,
            "ids": self.ids,
            "warnings": self.warnings,
        })
    }

    fn print(&self, out: &mut impl Write) -> std::io::Result<()> {
        writeln!(out, "normalized  {}", self.normalized)?;
        for (i, (segment, ids)) in self.segments.iter().zip(&self.ids).enumerate() {
            writeln!(out, "segment {:<3} {segment}", i + 1)?;
            let ids: Vec<_> = ids.iter().map(u32::to_string).collect();
            writeln!(out, "  {} ids    {}", ids.len(), ids.join(" "))?;
        }
        for warning in &self.warnings {
            writeln!(std::io::stderr(), "warning: {warning}")?;
        }
        Ok(())
    }
}
