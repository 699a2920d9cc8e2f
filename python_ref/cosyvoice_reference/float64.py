"""The reference's own float32 error: every float stage once more, in float64.

Each stage is run on the very float32 inputs that it had, so that the difference is what float32
arithmetic did within the stage, and a port can be held to a multiple of it. In use the errors of
all stages pile up: under `STAGE/cascaded`, and for `speech`, everything from the sound file on is
computed in float64, and only the tokens are the recorded ones.

Constants stay as the reference has them in float32: filter banks, window of the vocoder, rotary
tables of the language model, the time grid of the flow. Rounding those is not an error of a port
that takes the same ones.
"""

import copy
import dataclasses
import types

import numpy as np
import torch
import torch.nn.functional as F

from . import features, onnx_float64

#: Euler steps of the flow.
STEPS = 10


def noise(reference, seen, arrays: dict, case: dict, progress) -> dict:
    """{max_abs, p999, rms, nmse_db} by stage, for the stages in `arrays` that are floats."""
    exact = {}
    if seen.mels:
        wavs = dict(reversed(seen.wavs))  # the first of each kind is the prompt's
        exact["prompt.mel"] = features.mel(wavs["mel"])
        exact["prompt.whisper_mel"] = features.whisper_mel(wavs["tokens"])
        exact["prompt.fbank"] = features.fbank(wavs["speaker"])
        network = reference.model_dir / "campplus.onnx"
        embedding = onnx_float64.run(network, seen.speaker[0].inputs)
        exact["prompt.speaker_embedding"] = torch.from_numpy(embedding.reshape(-1))
        if case["mode"] == "vc":
            exact["source.whisper_mel"] = features.whisper_mel(case["source_wav"])
    engine = reference.engine.model
    if case["mode"] != "vc":
        exact.update(_language_model(engine.llm, seen.segments, progress))
    voice = _voice(reference, seen, exact)
    exact.update(_flow_and_vocoder(engine, seen.segments, voice, case, progress))
    measured = {}
    for name, value in exact.items():
        recorded = arrays.get(name.replace("/cascaded", ""))
        if recorded is not None and recorded.size:
            measured[name] = difference(recorded, value.numpy())
    return measured


def _voice(reference, seen, exact: dict):
    """The prompt's mel [1, frames, 80] and speaker embedding [1, 192], all in float64."""
    if not seen.mels:
        return None
    network = reference.model_dir / "campplus.onnx"
    (name,) = seen.speaker[0].inputs
    embedding = onnx_float64.run(network, {name: exact["prompt.fbank"][None].numpy()})
    embedding = torch.from_numpy(embedding.reshape(-1))
    exact["prompt.speaker_embedding/cascaded"] = embedding
    return exact["prompt.mel"][None], embedding[None]


def difference(float32: np.ndarray, float64: np.ndarray) -> dict:
    """How far `float32` is from `float64`; nmse_db is minus infinity where it is not at all."""
    if float32.shape != float64.shape:
        raise ValueError(f"shapes differ: {float32.shape} and {float64.shape}")
    error = np.abs(float32.astype(np.float64) - float64)
    with np.errstate(divide="ignore"):
        nmse = np.log10(np.square(error).sum()) - np.log10(np.square(float64).sum())
    return {
        "max_abs": float(error.max()),
        "p999": float(np.quantile(error, 0.999)),
        "rms": float(np.sqrt(np.square(error).mean())),
        "nmse_db": float(10 * nmse) if error.any() else float("-inf"),
    }


def _language_model(llm, segments, progress) -> dict:
    """`llm.logits` of every segment, teacher-forced on the tokens that were sampled."""
    body, decoder = exact_body(llm), llm.llm_decoder.weight.double()
    logits = {}
    for i, segment in enumerate(segments):
        steps = len(segment.logits)
        if steps == 0:
            continue
        inputs = teacher_forced_inputs(llm, segment)
        hidden = body(inputs_embeds=inputs[None].double(), use_cache=False).last_hidden_state
        logits[f"llm.logits[{i}]"] = hidden[0, -steps:] @ decoder.T
        progress("float64", i + 1)
    return logits


def exact_body(llm):
    """Qwen2 without its embeddings, in float64."""
    qwen = llm.llm.model.model
    # Embeddings are looked up in float32, which is exact, so the large table stays as it is.
    body = copy.deepcopy(qwen, {id(qwen.embed_tokens): torch.nn.Identity()}).double()
    for module in body.modules():
        if type(module).__name__ == "Qwen2RMSNorm":
            module.forward = types.MethodType(_rms_norm, module)
    return body


def teacher_forced_inputs(llm, segment) -> torch.Tensor:
    """The embeddings of all positions whose next token was sampled, and of those before them,
    [positions, hidden]."""
    text = torch.cat([segment.prompt_ids, segment.ids], dim=1)
    speech = torch.cat(
        [segment.prompt_speech_token.flatten().long(), torch.tensor(segment.tokens).long()]
    )
    speech = speech[: segment.prompt_speech_token.shape[1] + len(segment.logits) - 1]
    return torch.cat(
        [
            llm.speech_embedding.weight[llm.sos][None],
            llm.llm.model.model.embed_tokens(text)[0],
            llm.speech_embedding.weight[llm.task_id][None],
            llm.speech_embedding(speech),
        ]
    )


def _rms_norm(self, hidden):
    """Qwen2RMSNorm without its detour through float32."""
    variance = hidden.pow(2).mean(-1, keepdim=True)
    return self.weight * (hidden * torch.rsqrt(variance + self.variance_epsilon))


def _flow_and_vocoder(engine, segments, voice, case, progress) -> dict:
    flow = copy.deepcopy(engine.flow).double()
    vocoder = copy.deepcopy(engine.hift).double()
    vocoder.stft_window = vocoder.stft_window.double()
    exact, delivered = {}, []
    for i, segment in enumerate(segments):
        if not case.get("stream", False):
            exact.update(_isolated(flow, vocoder, i, segment, progress))
        stages = {}
        delivered += _cascaded(flow, vocoder, segment, voice, case, stages, progress)
        if not case.get("stream", False):
            exact.update({f"{stage}/cascaded[{i}]": value for stage, value in stages.items()})
    if delivered:
        exact["speech"] = torch.cat(delivered)
    return exact


def _isolated(flow, vocoder, i: int, segment, progress) -> dict:
    (call,), (heard,) = segment.flow, segment.vocoder
    exact = {f"flow.mu[{i}]": _conditions(flow, call)[0][0]}
    mu, speaker, cond = (v.double() for v in (call.mu, call.speaker, call.cond))
    grid = _time_grid(flow)
    for step in range(1, STEPS + 1):
        x, t = call.states[step - 1].double(), call.times[step - 1]
        # The reference takes the step to the grid from where its float32 time stands.
        slope = velocity(flow, x, t.double(), mu, speaker, cond, call.streaming)
        exact[f"flow.step.{step:02}[{i}]"] = (x + (grid[step] - t).double() * slope)[0]
        progress("float64", step)
    mel = _solve(flow, mu, speaker, cond, call.streaming)[-1]
    exact[f"flow.mel[{i}]"] = mel[0, :, call.prompt_feat.shape[1] :]

    mel = heard.mel.double()
    exact[f"vocoder.f0[{i}]"] = vocoder.f0_predictor(mel, finalize=heard.finalize)[0]
    exact[f"vocoder.source[{i}]"] = _source(vocoder, heard.f0.double())[0, 0]
    exact[f"vocoder.wav[{i}]"] = _decode(vocoder, mel, heard.source.double(), heard.finalize)[0]
    return exact


def _cascaded(flow, vocoder, segment, voice, case, stages: dict, progress) -> list:
    """The sound of a segment in the chunks in which it was delivered, from `voice` and the tokens.

    Puts the values of the last chunk, which of speech that is not streamed is the only one, into
    `stages`.
    """
    chunks, so_far = [], torch.zeros(1, 80, 0, dtype=torch.float64)
    speed = case.get("speed", 1.0)
    for call, heard in zip(segment.flow, segment.vocoder, strict=True):
        prompt = call.prompt_feat.shape[1]
        if voice is not None:
            mel, embedding = voice
            call = dataclasses.replace(call, prompt_feat=mel[:, :prompt], embedding=embedding)
        mu, speaker, cond = _conditions(flow, call)
        states = _solve(flow, mu, speaker, cond, call.streaming)
        mel = states[-1][:, :, prompt:]
        stages["flow.mu"] = mu[0]
        for step, state in enumerate(states, start=1):
            stages[f"flow.step.{step:02}"] = state[0]
        stages["flow.mel"] = mel[0]
        if speed != 1.0:
            so_far = F.interpolate(mel, size=int(mel.shape[2] / speed), mode="linear")
        else:
            new = heard.mel.shape[2] - so_far.shape[2]
            so_far = torch.cat([so_far, mel[:, :, mel.shape[2] - new :]], dim=2)
        f0 = vocoder.f0_predictor(so_far, finalize=heard.finalize)
        source = _source(vocoder, f0)
        wav = _decode(vocoder, so_far, source, heard.finalize)
        stages.update({"vocoder.f0": f0[0], "vocoder.source": source[0, 0], "vocoder.wav": wav[0]})
        chunks.append(wav[0, heard.offset :])
        progress("float64", len(chunks))
    return chunks


def _conditions(flow, call):
    """What the flow's decoder is given: mu, speaker and prompt, from tokens and embedding."""
    speaker = flow.spk_embed_affine_layer(F.normalize(call.embedding.double(), dim=1))
    token = torch.cat([call.prompt_token, call.token], dim=1).clamp(min=0)
    hidden, ahead = flow.input_embedding(token), flow.pre_lookahead_len
    if call.finalize:
        hidden = flow.pre_lookahead_layer(hidden)
    else:
        hidden = flow.pre_lookahead_layer(hidden[:, :-ahead], context=hidden[:, -ahead:])
    mu = hidden.repeat_interleave(flow.token_mel_ratio, dim=1).transpose(1, 2)
    cond = torch.zeros_like(mu)
    cond[:, :, : call.prompt_feat.shape[1]] = call.prompt_feat.double().transpose(1, 2)
    return mu, speaker, cond


def _time_grid(flow) -> torch.Tensor:
    """The times of the Euler steps, in float32 as the reference has them, [steps + 1]."""
    span = torch.linspace(0, 1, STEPS + 1)
    if flow.decoder.t_scheduler == "cosine":
        span = 1 - torch.cos(span * 0.5 * torch.pi)
    return span


def velocity(flow, x, t, mu, speaker, cond, streaming: bool):
    """One evaluation of the guided velocity field at time `t`."""
    nothing = torch.zeros_like
    both = flow.decoder.estimator(
        x.repeat(2, 1, 1),
        torch.ones(2, 1, x.shape[2], dtype=x.dtype),
        torch.cat([mu, nothing(mu)]),
        t.repeat(2),
        torch.cat([speaker, nothing(speaker)]),
        torch.cat([cond, nothing(cond)]),
        streaming=streaming,
    )
    rate = flow.decoder.inference_cfg_rate
    return (1.0 + rate) * both[:1] - rate * both[1:]


def _solve(flow, mu, speaker, cond, streaming: bool) -> list:
    """The state after each Euler step, from the reference's noise on."""
    x = flow.decoder.rand_noise[:, :, : mu.shape[2]].double()
    grid = _time_grid(flow).double()
    states = []
    for step in range(1, STEPS + 1):
        t, dt = grid[step - 1], grid[step] - grid[step - 1]
        x = x + dt * velocity(flow, x, t, mu, speaker, cond, streaming)
        states.append(x)
    return states


def _source(vocoder, f0):
    upsampled = vocoder.f0_upsamp(f0[:, None]).transpose(1, 2)
    return vocoder.m_source(upsampled)[0].transpose(1, 2)


def _decode(vocoder, mel, source, finalize: bool):
    if not finalize:
        mel = mel[:, :, : -vocoder.f0_predictor.condnet[0].causal_padding]
    return vocoder.decode(x=mel, s=source, finalize=finalize)
