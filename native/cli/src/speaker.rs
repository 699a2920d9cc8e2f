use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::{Args as ClapArgs, Subcommand};
use native::audio::Waveform;
use native::model_dir::{ModelDir, SavedSpeaker, SavedSpeakers};
use native::new_file::NewFile;
use native::tap::NoTap;
use native::voice::{SpeakerEncoder, SpeechTokenizer, VoicePrompt};

use crate::interrupt;
use crate::options::{ModelDirOption, SpeakerOptions, TextOptions};

/// List the saved speakers, or save one: a voice that can be used without its recording.
///
/// They are kept in spk2info.pt, which the reference reads and writes too.
#[derive(ClapArgs)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    List(List),
    Add(Add),
}

/// The file of the saved speakers.
#[derive(ClapArgs)]
pub struct SpeakersFile {
    /// File of the saved speakers [default: spk2info.pt of the model directory]
    #[arg(long, value_name = "FILE")]
    pub speakers: Option<PathBuf>,
}

impl SpeakersFile {
    pub fn open(&self, model: &ModelDir) -> native::Result<SavedSpeakers> {
        SavedSpeakers::open(&self.path(model))
    }

    fn path(&self, model: &ModelDir) -> PathBuf {
        self.speakers
            .clone()
            .unwrap_or_else(|| model.saved_speakers())
    }
}

/// Print the names of the saved speakers, one a line.
#[derive(ClapArgs)]
struct List {
    #[command(flatten)]
    model: ModelDirOption,
    #[command(flatten)]
    file: SpeakersFile,
}

/// Save a speaker, or replace one of the same name.
///
/// Example: native speaker add anna --prompt-wav anna.wav
/// --prompt-text "You are a helpful assistant.<|endofprompt|>What she says in anna.wav."
#[derive(ClapArgs)]
struct Add {
    /// Name to speak with later: native synth --speaker NAME
    name: String,
    #[command(flatten)]
    model: ModelDirOption,
    #[command(flatten)]
    file: SpeakersFile,
    /// Recording of the voice, at most 30 s, 16 kHz or more
    #[arg(long, value_name = "WAV")]
    prompt_wav: PathBuf,
    /// What is said in the recording, after a prompt that ends in <|endofprompt|>. Write numbers
    /// as they are spoken: a saved speaker's words are not normalised
    #[arg(long)]
    prompt_text: String,
    #[command(flatten)]
    encoder: SpeakerOptions,
    #[command(flatten)]
    text: TextOptions,
}

impl Args {
    pub fn run(self) -> anyhow::Result<()> {
        match self.action {
            Action::List(args) => args.run(),
            Action::Add(args) => args.run(),
        }
    }
}

impl List {
    fn run(&self) -> anyhow::Result<()> {
        let speakers = self.file.open(&self.model.open()?)?;
        let mut out = std::io::stdout().lock();
        for name in speakers.names() {
            writeln!(out, "{name}")?;
        }
        Ok(())
    }
}

impl Add {
    fn run(&self) -> anyhow::Result<()> {
        if !self.prompt_text.contains("<|endofprompt|>") {
            bail!(
                "--prompt-text has no <|endofprompt|>: begin it with an instruction, such as \
                 `You are a helpful assistant.<|endofprompt|>`"
            );
        }
        let rules = self.text.text_rules.clone();
        let model = self.model.open()?.with_text_rules(rules);
        let path = self.file.path(&model);
        // What cannot be read or written is reported before the recording is analysed.
        SavedSpeakers::open(&path)?;
        drop(NewFile::create(&path)?);
        let speaker = self.speaker(&model)?;
        let speakers = {
            // Others may have saved speakers since.
            let _whole = interrupt::hold();
            SavedSpeakers::update(&path, |speakers| speakers.add(&self.name, &speaker))?
        };
        let seconds = speaker.voice.speech_tokens.len() as f64 / 25.0;
        let mut out = std::io::stdout().lock();
        writeln!(
            out,
            "{}: saved, {seconds:.2} s of speech; {} speaker(s) in total",
            self.name,
            speakers.names().count()
        )?;
        Ok(())
    }

    /// Loads only the networks that analyse a recording.
    fn speaker(&self, model: &ModelDir) -> anyhow::Result<SavedSpeaker> {
        let frontend = model.text_frontend(self.text.frontend())?;
        let tokenizer = SpeechTokenizer::load(&model.speech_tokenizer()?)?;
        let encoder = SpeakerEncoder::load(&model.speaker_encoder()?, self.encoder.pooling)?;
        let recording = Waveform::read(&self.prompt_wav)?;
        let voice = VoicePrompt::new(&recording, &tokenizer, &encoder, &mut NoTap)
            .with_context(|| self.prompt_wav.display().to_string())?;
        Ok(SavedSpeaker::new(&frontend, &self.prompt_text, &voice)?)
    }
}
