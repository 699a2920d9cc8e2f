//! A small flow with random weights: what must hold whatever the weights.

use candle_core::{DType, Device, Tensor};

use crate::flow::{DitConfig, Flow, FlowConfig, FlowInput};
use crate::noise::FLOW_FRAMES;
use crate::random_weights::random_weights;
use crate::stage::Stage;
use crate::tap::{NoTap, Tap};
use crate::weights::Builder;
use crate::{Error, Portion, Result};

const CHUNK: usize = 6;
const STEPS: u8 = 10;

fn config() -> FlowConfig {
    FlowConfig {
        input_size: 80,
        output_size: 80,
        spk_embed_dim: 12,
        vocab_size: 50,
        token_mel_ratio: 2,
        pre_lookahead_len: 3,
        pre_lookahead_channels: 20,
        inference_cfg_rate: 0.7,
        steps: STEPS.into(),
        estimator: DitConfig {
            dim: 32,
            depth: 2,
            heads: 2,
            dim_head: 16,
            ff_mult: 2,
            mel_dim: 80,
            mu_dim: 80,
            spk_dim: 80,
            out_channels: 80,
            static_chunk_size: CHUNK,
        },
    }
}

fn flow(weights: Builder) -> Result<Flow> {
    Ok(Flow::new(&config(), weights)?)
}

fn tokens(n: u32) -> Vec<u32> {
    (0..n).map(|i| i * 17 % 50).collect()
}

fn prompt_mel(frames: usize) -> Result<Tensor> {
    let values: Vec<f32> = (0..frames * 80)
        .map(|i| (i as f32 * 0.37).sin() - 2.0)
        .collect();
    Ok(Tensor::from_vec(values, (frames, 80), &Device::Cpu)?)
}

fn embedding() -> Result<Tensor> {
    Ok(Tensor::arange(-4f32, 8.0, &Device::Cpu)?)
}

fn apart(a: &Tensor, b: &Tensor) -> Result<f64> {
    let wide = |t: &Tensor| t.to_dtype(DType::F64);
    Ok((wide(a)? - wide(b)?)?.abs()?.max_all()?.to_scalar()?)
}

/// Runs `speech` tokens after a prompt of three, and gives the mel.
fn speak(flow: &Flow, speech: u32, portion: Portion, tap: &mut dyn Tap) -> Result<Tensor> {
    let all = tokens(speech + 3);
    let input = FlowInput {
        tokens: &all[3..],
        prompt_tokens: &all[..3],
        prompt_mel: &prompt_mel(6)?,
        embedding: &embedding()?,
        portion,
    };
    flow.inference(&input, tap)
}

struct Names(Vec<String>, bool);

impl Tap for Names {
    fn stage(&mut self, stage: Stage, _: &Tensor) -> Result<()> {
        self.0.push(stage.to_string());
        Ok(())
    }

    fn wants_layers(&self, _: Stage) -> bool {
        self.1
    }

    fn layer(&mut self, stage: Stage, name: &str, _: &Tensor) -> Result<()> {
        self.0.push(format!("{stage}/{name}"));
        Ok(())
    }
}

#[test]
fn every_token_gives_two_frames_and_context_tokens_none() -> Result<()> {
    let flow = flow(random_weights())?;
    assert_eq!(flow.mu(&tokens(10), Portion::Final)?.dims(), [80, 20]);
    assert_eq!(flow.mu(&tokens(10), Portion::Partial)?.dims(), [80, 14]);
    assert_eq!(
        speak(&flow, 7, Portion::Final, &mut NoTap)?.dims(),
        [80, 14]
    );
    assert_eq!(
        speak(&flow, 7, Portion::Partial, &mut NoTap)?.dims(),
        [80, 8]
    );
    Ok(())
}

#[test]
fn context_tokens_give_the_mu_that_the_whole_text_gives() -> Result<()> {
    let flow = flow(random_weights())?;
    let whole = flow.mu(&tokens(12), Portion::Final)?;
    let begun = flow.mu(&tokens(8), Portion::Partial)?;
    assert!(apart(&whole.narrow(1, 0, 10)?, &begun)? < 1e-6);
    Ok(())
}

#[test]
fn the_speaker_embedding_counts_by_its_direction() -> Result<()> {
    let flow = flow(random_weights())?;
    let speaker = flow.speaker(&embedding()?)?;
    assert_eq!(speaker.dims(), [80]);
    assert!(apart(&speaker, &flow.speaker(&(embedding()? * 5.0)?)?)? < 1e-6);
    assert!(apart(&speaker, &flow.speaker(&(embedding()? * -1.0)?)?)? > 1e-2);
    Ok(())
}

#[test]
fn solving_is_stepping() -> Result<()> {
    let flow = flow(random_weights())?;
    let mu = flow.mu(&tokens(9), Portion::Final)?;
    let speaker = flow.speaker(&embedding()?)?;
    let conditioning = flow.condition(&mu, &speaker, &prompt_mel(6)?, Portion::Final)?;
    assert_eq!(conditioning.frames(), 18);
    let mut x = flow.noise(18)?;
    for index in 1..=STEPS {
        x = flow.step(index, &x, &conditioning, &mut NoTap)?;
    }
    assert!(apart(&x, &flow.solve(&conditioning, &mut NoTap)?)? < 1e-6);
    Ok(())
}

#[test]
fn one_chunk_streams_like_the_whole() -> Result<()> {
    let flow = flow(random_weights())?;
    let mu = flow.mu(&tokens(CHUNK as u32 / 2), Portion::Final)?;
    let speaker = flow.speaker(&embedding()?)?;
    let solve = |portion| {
        let conditioning = flow.condition(&mu, &speaker, &prompt_mel(2)?, portion)?;
        flow.solve(&conditioning, &mut NoTap)
    };
    assert!(apart(&solve(Portion::Partial)?, &solve(Portion::Final)?)? < 1e-5);
    Ok(())
}

#[test]
fn streamed_frames_keep_their_value_when_more_text_follows() -> Result<()> {
    let flow = flow(random_weights())?;
    // 3 + 9 tokens, 3 of them context: 18 frames, three whole chunks.
    let begun = speak(&flow, 9, Portion::Partial, &mut NoTap)?;
    let whole = speak(&flow, 23, Portion::Partial, &mut NoTap)?;
    assert_eq!(begun.dim(1)? % CHUNK, 0);
    assert!(apart(&whole.narrow(1, 0, begun.dim(1)?)?, &begun)? < 1e-4);
    let unmasked = speak(&flow, 20, Portion::Final, &mut NoTap)?;
    assert!(apart(&whole, &unmasked)? > 1e-3, "the mask must matter");
    Ok(())
}

#[test]
fn the_kernels_agree_with_candle_s_operations_in_float64() -> Result<()> {
    for portion in [Portion::Final, Portion::Partial] {
        let got = speak(&flow(random_weights())?, 20, portion, &mut NoTap)?;
        let want = speak(
            &flow(random_weights().in_float64())?,
            20,
            portion,
            &mut NoTap,
        )?;
        let error = apart(&got, &want)?;
        assert!(error < 1e-4, "{portion:?}: {error}");
    }
    Ok(())
}

#[test]
fn taps_receive_stages_and_on_request_layers() -> Result<()> {
    let mut stages_only = Names(Vec::new(), false);
    speak(
        &flow(random_weights())?,
        7,
        Portion::Final,
        &mut stages_only,
    )?;
    let mut stages = vec!["flow.mu".to_owned()];
    stages.extend((1..=STEPS).map(|i| format!("flow.step.{i:02}")));
    stages.push("flow.mel".to_owned());
    assert_eq!(stages_only.0, stages);

    let mut layers = Names(Vec::new(), true);
    speak(&flow(random_weights())?, 7, Portion::Final, &mut layers)?;
    let third: Vec<_> = layers
        .0
        .iter()
        .filter(|s| s.starts_with("flow.step.03"))
        .collect();
    let names = [
        "time_embed",
        "input_embed",
        "block.00.attention",
        "block.00",
        "block.01.attention",
        "block.01",
        "norm_out",
        "velocity",
    ];
    let wanted: Vec<_> = names.iter().map(|s| format!("flow.step.03/{s}")).collect();
    assert_eq!(third[..8], wanted.iter().collect::<Vec<_>>());
    assert_eq!(third[8], "flow.step.03");
    Ok(())
}

#[test]
fn what_the_flow_cannot_be_given_is_said() -> Result<()> {
    let flow = flow(random_weights())?;
    let message = |result: Result<Tensor>| match result {
        Err(Error::Input(message)) => message,
        other => panic!("{other:?}"),
    };
    assert!(message(flow.mu(&[1, 50], Portion::Final)).contains("token 50"));
    assert!(message(flow.mu(&tokens(3), Portion::Partial)).contains("more than 3"));
    assert!(message(flow.mu(&[], Portion::Final)).contains("0 speech token(s)"));
    assert!(message(flow.mu(&vec![0; FLOW_FRAMES / 2 + 1], Portion::Final)).contains("15000"));
    assert!(message(flow.noise(FLOW_FRAMES + 1)).contains("15000"));
    assert!(message(flow.speaker(&prompt_mel(1)?)).contains("[12]"));

    let mu = flow.mu(&tokens(4), Portion::Final)?;
    let speaker = flow.speaker(&embedding()?)?;
    let refused = flow.condition(&mu, &speaker, &prompt_mel(9)?, Portion::Final);
    assert!(
        refused
            .err()
            .is_some_and(|e| e.to_string().contains("9 frames"))
    );
    let conditioning = flow.condition(&mu, &speaker, &prompt_mel(2)?, Portion::Final)?;
    for index in [0, STEPS + 1] {
        let refused = flow.step(index, &flow.noise(8)?, &conditioning, &mut NoTap);
        assert!(message(refused).contains("Euler step"));
    }
    assert!(message(flow.step(1, &flow.noise(9)?, &conditioning, &mut NoTap)).contains("9 frames"));
    Ok(())
}

#[test]
fn a_configuration_that_does_not_fit_itself_is_refused() {
    let mut config = config();
    config.estimator.mu_dim = 64;
    let refused = Flow::new(&config, random_weights());
    assert!(refused.err().is_some_and(|e| e.to_string().contains("64")));
}
