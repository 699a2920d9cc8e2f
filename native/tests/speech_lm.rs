//! The speech language model on weights that both sides draw from torch's generator, so that no
//! model has to be committed. Expected values were printed by the Python reference (CosyVoice
//! ace7c47, torch 2.3.1, float32, CPU) on the same weights.

use std::collections::HashMap;
use std::sync::{Barrier, LazyLock};

use candle_core::{DType, Device, Tensor};
use native::Error;
use native::family::{EndOfPrompt, Marks};
use native::llm::{
    Generation, LmConfig, LmPrompt, QwenConfig, Sampler, SamplingConfig, SpeechLm, Stop, Strategy,
};
use native::precision::Precision;
use native::stage::Stage;
use native::tap::{NoTap, Tap};
use native::torch_rng::{Multinomial, TorchRng};
use native::weights::{Builder, Weights};
use proptest::prelude::ProptestConfig;
use proptest::{prop_assert, prop_assert_eq, proptest};

const SPEECH_TOKENS: usize = 100;

fn config() -> LmConfig {
    LmConfig {
        llm_input_size: 16,
        llm_output_size: 16,
        speech_token_size: SPEECH_TOKENS,
        mix_ratio: [5, 15],
        sampling: SamplingConfig::default(),
        marks: Marks::default(),
        end_of_prompt: EndOfPrompt::default(),
        silent_tokens: &[],
    }
}

fn qwen() -> QwenConfig {
    QwenConfig {
        vocab_size: 151_700,
        hidden_size: 16,
        intermediate_size: 48,
        num_hidden_layers: 2,
        num_attention_heads: 2,
        num_key_value_heads: 1,
        max_position_embeddings: 4096,
        rope_theta: 1e6,
        rms_norm_eps: 1e-6,
    }
}

/// Names, shapes, and how a normal number becomes a weight: offset + scale × normal. The numbers
/// are drawn in this order.
fn parameters() -> Vec<(String, Vec<usize>, f32, f32)> {
    let body = "llm.model.model";
    let mut list = vec![(
        format!("{body}.embed_tokens.weight"),
        vec![151_700, 16],
        0.0,
        1.0,
    )];
    for layer in 0..2 {
        let mut add = |name: &str, shape: &[usize], offset, scale| {
            list.push((
                format!("{body}.layers.{layer}.{name}"),
                shape.to_vec(),
                offset,
                scale,
            ));
        };
        for (part, width) in [("q", 16), ("k", 8), ("v", 8)] {
            add(
                &format!("self_attn.{part}_proj.weight"),
                &[width, 16],
                0.0,
                0.25,
            );
            add(
                &format!("self_attn.{part}_proj.bias"),
                &[width],
                0.0,
                0.0625,
            );
        }
        add("self_attn.o_proj.weight", &[16, 16], 0.0, 0.25);
        add("mlp.gate_proj.weight", &[48, 16], 0.0, 0.25);
        add("mlp.up_proj.weight", &[48, 16], 0.0, 0.25);
        add("mlp.down_proj.weight", &[16, 48], 0.0, 0.25);
        add("input_layernorm.weight", &[16], 1.0, 0.125);
        add("post_attention_layernorm.weight", &[16], 1.0, 0.125);
    }
    list.push((format!("{body}.norm.weight"), vec![16], 1.0, 0.125));
    list.push(("llm_decoder.weight".to_owned(), vec![300, 16], 0.0, 0.75));
    list.push((
        "speech_embedding.weight".to_owned(),
        vec![300, 16],
        0.0,
        1.0,
    ));
    list
}

/// Marks are rare, or everything would end at once: only the end of speech and the fill mark have
/// logits of their own, and small ones.
fn loudness(id: usize) -> f32 {
    match id.checked_sub(SPEECH_TOKENS) {
        None => 1.0,
        Some(1 | 3) => 0.5,
        Some(_) => 0.0,
    }
}

fn weights() -> HashMap<String, Tensor> {
    let mut rng = TorchRng::new(20, Multinomial::default());
    let mut tensors = HashMap::new();
    for (name, shape, offset, scale) in parameters() {
        let mut values = vec![0.0; shape.iter().product()];
        rng.randn(&mut values);
        for (i, x) in values.iter_mut().enumerate() {
            *x = offset + scale * *x;
            if name == "llm_decoder.weight" {
                *x *= loudness(i / 16);
            }
        }
        tensors.insert(name, Tensor::from_vec(values, shape, &Device::Cpu).unwrap());
    }
    tensors
}

fn lm_of(tensors: HashMap<String, Tensor>) -> SpeechLm {
    let vb = Builder::from_tensors(tensors, Precision::F32, &Device::Cpu);
    SpeechLm::new(&config(), &qwen(), vb).unwrap()
}

fn lm() -> &'static SpeechLm {
    static LM: LazyLock<SpeechLm> = LazyLock::new(|| lm_of(weights()));
    &LM
}

fn torch(seed: u64) -> Sampler {
    let strategy = Strategy::Torch {
        seed,
        multinomial: Multinomial::MklStream,
    };
    Sampler::new(strategy, SamplingConfig::default())
}

fn prompt(prompt_text: &[u32], text: &[u32], prompt_speech: &[u32]) -> LmPrompt {
    LmPrompt {
        prompt_text_ids: prompt_text.to_vec(),
        text_ids: text.to_vec(),
        prompt_speech_tokens: prompt_speech.to_vec(),
    }
}

fn zero_shot() -> LmPrompt {
    prompt(&[5, 70_000, 151_646, 9], &[11, 22, 33], &[1, 50, 99, 3])
}

fn cross_lingual() -> LmPrompt {
    prompt(&[], &[7, 151_646, 100_000, 4, 5, 6], &[])
}

fn generate(prompt: &LmPrompt, sampler: &mut Sampler) -> Generation {
    lm().generate(prompt, sampler, &mut NoTap).unwrap()
}

fn refusal(prompt: &LmPrompt) -> String {
    match lm().decode(prompt, &mut torch(0)) {
        Ok(_) => panic!("{prompt:?} was accepted"),
        Err(Error::Input(reason)) => reason,
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn every_mode_samples_the_references_tokens() {
    let zero = generate(&zero_shot(), &mut torch(0));
    let reference = [
        17, 11, 1, 41, 40, 59, 40, 3, 31, 63, 40, 93, 33, 81, 75, 35, 17, 46, 5, 49, 89, 43, 92,
        59, 11, 81, 84, 54, 95, 21, 86, 22, 74, 33, 20, 41, 31, 63, 11, 81, 84, 73, 54, 95, 19, 65,
        22, 86, 55, 11, 76, 66, 43, 68, 53, 73, 54, 94, 95, 19,
    ];
    assert_eq!(zero.tokens, reference);
    assert_eq!(zero.stop, Stop::MaxLength, "20 tokens for each of 3 ids");

    let cross = generate(&cross_lingual(), &mut torch(1986));
    let reference = [
        67, 64, 24, 31, 53, 84, 32, 74, 58, 19, 23, 22, 66, 43, 90, 16, 54, 95, 74, 75, 61, 11, 81,
        84, 24, 18, 87, 42, 35, 68, 41, 31, 58, 17, 63,
    ];
    assert_eq!(cross.tokens, reference);
    assert!(matches!(cross.stop, Stop::StopToken(_)));

    let instruct = generate(&prompt(&[3, 151_646], &[140_000, 8], &[]), &mut torch(7));
    let reference = [
        43, 90, 81, 67, 97, 41, 31, 63, 17, 44, 75, 37, 79, 59, 87, 65, 74, 31, 63, 17, 11, 61,
    ];
    assert_eq!(instruct.tokens, reference);
}

#[test]
fn text_that_streams_in_samples_the_references_tokens() {
    let chunks: [&[u32]; 5] = [&[1], &[2], &[3, 4, 5, 6], &[7, 8, 9, 10, 11, 12, 13], &[14]];
    let chunks = chunks.map(<[u32]>::to_vec);
    let reference = [
        66, 35, 82, 33, 64, 24, 23, 22, 65, 0, 72, 56, 63, 31, 73, 90, 53, 25, 23, 22, 86, 55, 11,
        49, 99, 95, 17, 31, 65, 10, 66, 43, 97, 33, 81, 75, 35, 68, 16, 11, 36, 49, 25, 9, 80, 50,
        97, 33, 81, 84, 5, 26, 11, 59, 51, 93, 23, 22, 86, 55, 35, 19, 6, 81, 75, 37, 58, 17, 44,
        27, 54, 83, 87, 97, 73, 5, 69, 1, 49, 89, 63, 31, 11, 81, 84, 24, 95, 8, 65, 31, 58, 17,
        63, 11, 81, 75, 4,
    ];
    assert_bistream(3, &[], chunks, &reference);

    // Fifteen of the prompt's tokens go with the first five text ids, the other two with the next.
    let speech: Vec<u32> = (5..22).collect();
    let reference = [
        11, 81, 75, 35, 55, 77, 66, 43, 90, 41, 23, 22, 86, 47, 75, 35, 17, 63, 31, 38, 11, 36, 95,
        21, 86, 55, 74, 76, 43, 90, 60, 66, 35, 17, 63, 31, 38, 95,
    ];
    assert_bistream(3, &speech, (20..34).map(|id| vec![id]), &reference);
}

fn assert_bistream(
    seed: u64,
    prompt_speech: &[u32],
    text: impl IntoIterator<Item = Vec<u32>>,
    reference: &[u32],
) {
    let mut sampler = torch(seed);
    let prompt_text = [3, 151_646, 9];
    let mut decoding = lm()
        .decode_bistream(
            &prompt_text,
            prompt_speech,
            text.into_iter().map(Ok),
            &mut sampler,
        )
        .unwrap();
    let tokens: Vec<u32> = decoding.by_ref().map(Result::unwrap).collect();
    assert_eq!(tokens, reference);
    let generation = decoding.finish();
    assert_eq!(generation.tokens, reference);
    assert_eq!(generation.stop, Stop::StopToken(config().end_of_speech()));
}

#[test]
fn teacher_forced_logits_are_the_references() {
    let logits = lm()
        .teacher_forced_logits(&zero_shot(), &[12, 34, 56], &mut NoTap)
        .unwrap()
        .to_vec2::<f32>()
        .unwrap();
    // Ids 0, 1, 50 and 101 after the prompt, and after each token.
    let reference = [
        [-2.525_384_2, 3.680_638_6, 5.361_171, 1.940_575_8],
        [-2.840_470_8, 0.967_305_8, 1.077_621_2, 0.948_733_8],
        [-1.714_188_6, 1.537_100_9, -0.940_770_9, 0.605_490_4],
        [-7.685_225_5, -3.064_819_3, 1.316_704, -0.268_536_75f32],
    ];
    assert_eq!(logits.len(), 4);
    for (row, reference) in logits.iter().zip(reference) {
        assert_eq!(row.len(), 300);
        for (id, want) in [0, 1, 50, 101].into_iter().zip(reference) {
            assert!((row[id] - want).abs() < 5e-6, "{} for {want}", row[id]);
        }
    }
}

#[test]
fn a_cache_that_grows_gives_the_logits_of_one_pass() {
    // 400 tokens outgrow the room that decoding begins with.
    let mut request = zero_shot();
    request.text_ids = vec![11; 20];
    let mut greedy = Sampler::new(Strategy::Greedy, SamplingConfig::default());
    let lm = lm_of(without_marks());
    let generation = lm.generate(&request, &mut greedy, &mut NoTap).unwrap();
    assert_eq!(generation.tokens.len(), 400);
    let logits = lm
        .teacher_forced_logits(&request, &generation.tokens, &mut NoTap)
        .unwrap()
        .to_vec2::<f32>()
        .unwrap();
    for (step, (row, &token)) in logits.iter().zip(&generation.tokens).enumerate() {
        let best = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        // Float noise may swap two that are as good as equal.
        assert!(best - row[token as usize] < 2e-5, "step {step}");
    }
}

/// Weights under which no mark is ever the likeliest.
fn without_marks() -> HashMap<String, Tensor> {
    let mut tensors = weights();
    let decoder = tensors["llm_decoder.weight"]
        .narrow(0, 0, SPEECH_TOKENS)
        .unwrap();
    let marks = Tensor::zeros((200, 16), DType::F32, &Device::Cpu).unwrap();
    let decoder = Tensor::cat(&[&decoder, &marks], 0).unwrap();
    tensors.insert("llm_decoder.weight".to_owned(), decoder);
    tensors
}

#[test]
fn tokens_one_at_a_time_are_the_same_tokens() {
    let mut sampler = torch(0);
    let mut decoding = lm().decode(&zero_shot(), &mut sampler).unwrap();
    let first: Vec<u32> = decoding.by_ref().take(7).map(Result::unwrap).collect();
    assert_eq!(decoding.tokens(), first);
    assert_eq!(decoding.stop(), None);
    let all = generate(&zero_shot(), &mut torch(0));
    assert_eq!(all.tokens[..7], first);
}

/// The logits of up to `count` steps, to the bit.
fn steps(lm: &SpeechLm, prompt: &LmPrompt, seed: u64, count: usize) -> Vec<Vec<u32>> {
    let mut sampler = torch(seed);
    let mut decoding = lm.decode(prompt, &mut sampler).unwrap();
    let mut steps = Vec::new();
    while steps.len() < count && decoding.next().is_some() {
        steps.push(decoding.logits().iter().map(|x| x.to_bits()).collect());
    }
    steps
}

#[test]
fn segments_at_once_have_the_bits_of_each_alone_whoever_leaves() {
    for precision in ["f32", "bf16", "q8", "q4"] {
        let vb = Builder::from_tensors(weights(), precision.parse().unwrap(), &Device::Cpu);
        let lm = SpeechLm::new(&config(), &qwen(), vb).unwrap();
        let (separate, lm) = (
            lm.clone().decoding_together(false),
            lm.decoding_together(true),
        );
        // Some are cancelled after a few tokens.
        let asked: Vec<_> = (0..10)
            .map(|seed| match seed % 3 {
                0 => (zero_shot(), seed, 200),
                1 => (cross_lingual(), seed, 200),
                _ => (zero_shot(), seed, 3 + seed as usize),
            })
            .collect();
        let expected: Vec<_> = asked
            .iter()
            .map(|(prompt, seed, count)| steps(&separate, prompt, *seed, *count))
            .collect();
        let begin = Barrier::new(asked.len());
        std::thread::scope(|scope| {
            for ((prompt, seed, count), expected) in asked.iter().zip(&expected) {
                let (lm, begin) = (&lm, &begin);
                scope.spawn(move || {
                    begin.wait();
                    for _ in 0..3 {
                        let got = steps(lm, prompt, *seed, *count);
                        assert!(got == *expected, "seed {seed} in {precision}");
                    }
                });
            }
        });
    }
}

#[test]
fn one_sampler_goes_on_from_segment_to_segment() {
    let mut sampler = torch(0);
    let first = generate(&zero_shot(), &mut sampler);
    let second = generate(&zero_shot(), &mut sampler);
    assert_ne!(first.tokens, second.tokens);
}

#[derive(Default)]
struct Stages(Vec<(String, Vec<usize>)>);

impl Tap for Stages {
    fn stage(&mut self, stage: Stage, value: &Tensor) -> native::Result<()> {
        self.0.push((stage.to_string(), value.dims().to_vec()));
        Ok(())
    }

    fn wants_layers(&self, _: Stage) -> bool {
        true
    }

    fn layer(&mut self, stage: Stage, name: &str, value: &Tensor) -> native::Result<()> {
        let name = format!("{stage}/{name}");
        self.0.push((name, value.dims().to_vec()));
        Ok(())
    }
}

#[test]
fn a_tap_that_wants_layers_receives_every_one() {
    let mut stages = Stages::default();
    lm().teacher_forced_logits(&zero_shot(), &[12], &mut stages)
        .unwrap();
    let layer = |i: usize| {
        let parts = "attention.q_rotary attention.k_rotary attention.v attention mlp output";
        let named = move |part| format!("llm.logits/layer.{i:02}.{part}");
        parts.split_whitespace().map(named).collect::<Vec<_>>()
    };
    let begin = vec!["llm.logits/embedding".to_owned()];
    let wanted = [begin, layer(0), layer(1), vec!["llm.logits/norm".into()]].concat();
    let names: Vec<_> = stages.0.iter().map(|(name, _)| name.clone()).collect();
    assert_eq!(names, wanted);
    // Start mark, 4 + 3 text ids, task mark, 4 speech tokens, and the one that was given.
    for (name, dims) in &stages.0 {
        let positions = dims[dims.len() - 2];
        assert_eq!(positions, 14, "{name}");
    }

    let mut stages = Stages::default();
    let tokens = lm()
        .generate(&zero_shot(), &mut torch(0), &mut stages)
        .unwrap()
        .tokens;
    assert_eq!(stages.0, [("llm.tokens".to_owned(), vec![tokens.len()])]);
}

#[test]
fn what_cannot_be_continued_is_refused_before_any_work() {
    let without_end = prompt(&[1, 2], &[3], &[4]);
    assert!(refusal(&without_end).contains("<|endofprompt|>"));
    assert!(refusal(&prompt(&[151_646], &[], &[])).contains("nothing to say"));
    assert!(refusal(&prompt(&[151_646], &[151_700], &[])).contains("151700"));
    assert!(refusal(&prompt(&[151_646], &[1], &[100])).contains("speech token 100"));
    assert!(refusal(&prompt(&[151_646], &[1], &[1; 2000])).contains("80.0 s"));
    assert!(refusal(&prompt(&[151_646], &[1; 4100], &[])).contains("split the text"));
    let error = lm()
        .teacher_forced_logits(&zero_shot(), &[300], &mut NoTap)
        .unwrap_err();
    assert!(error.to_string().contains("300"), "{error}");
    let error = lm().decode_bistream(&[1, 2], &[], [], &mut torch(0)).err();
    assert!(error.unwrap().to_string().contains("<|endofprompt|>"));
}

#[test]
fn a_prompt_text_of_two_thousand_ids_is_only_long() {
    // The reference has no limit for it, and neither have we before the model's last position.
    let mut words = vec![9; 2000];
    words[7] = EndOfPrompt::default().id;
    let generation = generate(&prompt(&words, &[11, 22], &[1, 2]), &mut torch(5));
    assert!(generation.tokens.len() <= 40);
    words.extend([9; 2100]);
    assert!(refusal(&prompt(&words, &[11, 22], &[1, 2])).contains("positions"));
}

#[test]
fn a_text_that_could_need_more_positions_than_there_are_is_said_until_it_does() {
    // 2,000 ids may have 40,000 tokens, but few texts are spoken that slowly.
    let generation = generate(&prompt(&[151_646], &[1; 2000], &[]), &mut torch(0));
    assert!(matches!(generation.stop, Stop::StopToken(_)));

    let short = QwenConfig {
        max_position_embeddings: 40,
        ..qwen()
    };
    let vb = Builder::from_tensors(weights(), Precision::F32, &Device::Cpu);
    let lm = SpeechLm::new(&config(), &short, vb).unwrap();
    let text = prompt(&[151_646], &[1; 30], &[]);
    let ends: Vec<_> = (0..20)
        .map(|seed| lm.generate(&text, &mut torch(seed), &mut NoTap))
        .collect();
    let used_up = ends.iter().filter_map(|end| end.as_ref().err());
    let used_up: Vec<_> = used_up.map(ToString::to_string).collect();
    assert!(!used_up.is_empty());
    for said in used_up {
        // Start mark, 31 text ids and task mark leave 7 positions, and the last token is not fed.
        assert!(
            said.contains("40 positions") && said.contains("after 8"),
            "{said}"
        );
    }
}

#[test]
fn a_bad_text_id_in_the_stream_ends_it_with_an_error() {
    let lost = || Err(Error::input("the connection was lost"));
    for (bad, reason) in [
        (Ok(vec![151_700]), "151700"),
        (lost(), "the connection was lost"),
    ] {
        let chunks = [Ok(vec![1]), bad, Ok(vec![2])];
        let mut sampler = torch(0);
        let decoding = lm()
            .decode_bistream(&[151_646], &[1, 2, 3], chunks, &mut sampler)
            .unwrap();
        let results: Vec<_> = decoding.collect();
        assert_eq!(results.len(), 1);
        let error = results[0].as_ref().unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    }
}

#[test]
fn weights_that_are_no_numbers_are_an_error_and_not_a_voice() {
    let mut tensors = weights();
    let norm = Tensor::full(f32::NAN, 16, &Device::Cpu).unwrap();
    tensors.insert("llm.model.model.norm.weight".to_owned(), norm);
    let error = lm_of(tensors).generate(&zero_shot(), &mut torch(0), &mut NoTap);
    let error = error.unwrap_err().to_string();
    assert!(error.contains("not numbers"), "{error}");
}

#[test]
fn the_file_may_hold_what_is_not_used_but_nothing_else() {
    let dir = tempfile::TempDir::new().unwrap();
    let file = dir.path().join("llm.safetensors");
    let load = |tensors: &HashMap<String, Tensor>| {
        candle_core::safetensors::save(tensors, &file).unwrap();
        let weights = Weights::open(&file).unwrap();
        SpeechLm::from_weights(&config(), &qwen(), weights, &Device::Cpu, Precision::F32)
    };
    let mut tensors = weights();
    let row = Tensor::zeros((2, 16), DType::F32, &Device::Cpu).unwrap();
    tensors.insert("llm.model.lm_head.weight".to_owned(), row.clone());
    tensors.insert("spk_embed_affine_layer.weight".to_owned(), row.clone());
    let lm = load(&tensors).unwrap();
    let tokens = lm
        .generate(&zero_shot(), &mut torch(0), &mut NoTap)
        .unwrap()
        .tokens;
    assert_eq!(tokens, generate(&zero_shot(), &mut torch(0)).tokens);

    tensors.insert("llm_embedding.weight".to_owned(), row);
    let error = load(&tensors).unwrap_err().to_string();
    assert!(
        error.contains("llm_embedding.weight"),
        "CosyVoice 2 has it: {error}"
    );

    let mut tensors = weights();
    let decoder = tensors["llm_decoder.weight"].narrow(0, 0, 103).unwrap();
    tensors.insert(
        "llm_decoder.weight".to_owned(),
        decoder.contiguous().unwrap(),
    );
    let error = load(&tensors).unwrap_err().to_string();
    assert!(
        error.contains("llm_decoder.weight") && error.contains("103"),
        "{error}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn speech_is_speech_and_ends_in_time(
        text in proptest::collection::vec(0u32..151_000, 1..6),
        prompt_text in proptest::collection::vec(0u32..151_000, 0..6),
        prompt_speech in proptest::collection::vec(0u32..100, 0..40),
        seed: u64,
        torch_kind: bool,
    ) {
        let mut request = prompt(&prompt_text, &text, &prompt_speech);
        request.prompt_text_ids.push(EndOfPrompt::default().id);
        let multinomial = if torch_kind { Multinomial::MklStream } else { Multinomial::TwoDraws };
        for strategy in [Strategy::Torch { seed, multinomial }, Strategy::Seeded { seed }] {
            let sampler = || Sampler::new(strategy, SamplingConfig::default());
            let generation = generate(&request, &mut sampler());
            prop_assert!(generation.tokens.iter().all(|&t| (t as usize) < SPEECH_TOKENS));
            prop_assert!(generation.tokens.len() <= 20 * text.len());
            let cut = generation.tokens.len() == 20 * text.len();
            prop_assert_eq!(cut, generation.stop == Stop::MaxLength);
            prop_assert_eq!(generation, generate(&request, &mut sampler()), "the same seed");
        }
    }
}

#[test]
fn a_sampler_of_the_callers_own_is_given_the_logits_of_every_token() {
    let tokens = [17, 11, 1, 41];
    let forced = lm()
        .teacher_forced_logits(&zero_shot(), &tokens, &mut NoTap)
        .unwrap();
    let forced = forced.to_vec2::<f32>().unwrap();
    let mut steps = lm().steps(&zero_shot()).unwrap();
    for (at, wanted) in forced.iter().enumerate() {
        let logits = steps.logits().unwrap();
        let furthest = logits.iter().zip(wanted).map(|(a, b)| (a - b).abs());
        let furthest = furthest.fold(0.0f32, f32::max);
        assert!(furthest < 1e-3, "token {at}: {furthest}");
        let again = steps.logits().unwrap_err().to_string();
        assert!(again.contains("asked for twice"), "{again}");
        if let Some(&token) = tokens.get(at) {
            steps.push(token);
        }
    }
}
