//! Shows how a text is normalised, split and tokenised. No network is loaded.
//!
//!     cargo run --release --example text_only -- MODEL_DIR "It costs $5.20."

use native::model_dir::ModelDir;
use native::text::FrontendOptions;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [model_dir, text] = arguments.as_slice() else {
        return Err("usage: text_only MODEL_DIR TEXT".into());
    };
    let model = ModelDir::open(model_dir.as_ref())?;
    let frontend = model.text_frontend(FrontendOptions::default())?;
    let normalized = frontend.normalize(text, true)?;
    for segment in &normalized.segments {
        println!("{segment}\n  {:?}", frontend.ids(segment)?);
    }
    for warning in &normalized.warnings {
        eprintln!("warning: {warning}");
    }
    Ok(())
}
