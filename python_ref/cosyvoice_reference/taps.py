"""Watching one synthesis: what went into and came out of every stage."""

import contextlib
import time
from dataclasses import dataclass, field

import torch


@dataclass
class FlowCall:
    """One run of the flow, over a segment or, when streaming, over what there is of it."""

    token: torch.Tensor  # [1, n], without the prompt's
    prompt_token: torch.Tensor  # [1, n]
    prompt_feat: torch.Tensor  # [1, frames, 80]
    embedding: torch.Tensor  # [1, 192]
    streaming: bool
    finalize: bool
    mu: torch.Tensor = None  # [1, 80, frames]
    speaker: torch.Tensor = None  # [1, 80]
    cond: torch.Tensor = None  # [1, 80, frames]
    states: list = field(default_factory=list)  # x before each step, and after the last
    times: list = field(default_factory=list)  # t of each step
    mel: torch.Tensor = None  # [1, 80, frames]


@dataclass
class VocoderCall:
    """One run of the vocoder."""

    mel: torch.Tensor  # [1, 80, frames]
    finalize: bool
    f0: torch.Tensor = None  # [1, frames], float32
    source: torch.Tensor = None  # [1, 1, samples]
    wav: torch.Tensor = None  # [1, samples]
    offset: int = 0  # samples of it that were delivered before


@dataclass
class Segment:
    """One text segment, or the whole of a voice conversion."""

    ids: torch.Tensor = None  # [1, n]
    prompt_ids: torch.Tensor = None  # [1, n]
    prompt_speech_token: torch.Tensor = None  # [1, n], as the language model got it
    logits: list = field(default_factory=list)  # [vocabulary] a step
    tokens: list = field(default_factory=list)  # as sampled, without the one that stopped it
    stop: int = -1  # the mark that stopped it, if one did
    kept: list = field(default_factory=list)  # those that the flow got
    flow: list = field(default_factory=list)
    vocoder: list = field(default_factory=list)


@dataclass
class OnnxCall:
    """One run of an ONNX network."""

    inputs: dict
    output: object


@dataclass
class Synthesis:
    """Everything that was seen."""

    normalized: list = field(default_factory=list)  # of (text, split, result)
    wavs: list = field(default_factory=list)  # of (path, rate)
    mels: list = field(default_factory=list)  # [1, frames, 80] a prompt
    speech_tokenizer: list = field(default_factory=list)
    speaker: list = field(default_factory=list)
    segments: list = field(default_factory=list)
    seconds: dict = field(default_factory=dict)

    @property
    def segment(self) -> Segment:
        return self.segments[-1]

    def spend(self, part: str, seconds: float):
        self.seconds[part] = self.seconds.get(part, 0.0) + seconds

    @contextlib.contextmanager
    def timed(self, part: str):
        start = time.perf_counter()
        try:
            yield
        finally:
            self.spend(part, time.perf_counter() - start)


class WatchedSession:
    """An onnxruntime session that notes what passes through it."""

    def __init__(self, session, calls: list, synthesis: Synthesis, part: str):
        self._session, self._calls = session, calls
        self._synthesis, self._part = synthesis, part

    def get_inputs(self):
        return self._session.get_inputs()

    def run(self, outputs, inputs, *rest):
        start = time.perf_counter()
        result = self._session.run(outputs, inputs, *rest)
        spent = time.perf_counter() - start
        self._synthesis.spend(self._part, spent)
        # The frontend makes its features around the network, and is timed as a whole.
        self._synthesis.spend("prompt features", -spent)
        self._calls.append(OnnxCall(dict(inputs), result[0]))
        return result


def _copy(tensor):
    return tensor.detach().clone()


@contextlib.contextmanager
def watching(engine, progress, tokens_only: bool = False):
    """Yield a `Synthesis` that fills while `engine`, a CosyVoice3 object, works.

    With `tokens_only`, flow and vocoder are left out: every segment is a moment of silence.
    `progress(part, done)` is called after every sampled token and every Euler step. The language
    model samples in a thread of its own, so it may be called from there.
    """
    seen = Synthesis()
    with contextlib.ExitStack() as undo:

        def replace(owner, name, wrapper):
            original = getattr(owner, name)
            own = name in vars(owner)
            setattr(owner, name, wrapper(original))
            if own:
                undo.callback(setattr, owner, name, original)
            else:
                undo.callback(delattr, owner, name)

        _watch_frontend(engine.frontend, seen, replace)
        _watch_segments(engine.model, seen, replace)
        _watch_llm(engine.model.llm, seen, replace, progress)
        if tokens_only:
            _leave_out_sound(engine.model, seen, replace)
        else:
            _watch_logits(engine.model.llm, seen, undo)
            _watch_flow(engine.model.flow, seen, replace, undo, progress)
            _watch_vocoder(engine.model, seen, replace, undo)
        yield seen


def _watch_frontend(frontend, seen, replace):
    def text_normalize(original):
        def wrapper(text, split=True, text_frontend=True):
            with seen.timed("text"):
                result = original(text, split=split, text_frontend=text_frontend)
            seen.normalized.append((text, split, result))
            return result

        return wrapper

    def speech_feat(original):
        def wrapper(wav):
            with seen.timed("prompt features"):
                result = original(wav)
            seen.wavs.append(("mel", wav))
            seen.mels.append(_copy(result[0]))
            return result

        return wrapper

    def with_wav(kind):
        def wrap(original):
            def wrapper(wav):
                seen.wavs.append((kind, wav))
                with seen.timed("prompt features"):
                    return original(wav)

            return wrapper

        return wrap

    replace(frontend, "text_normalize", text_normalize)
    replace(frontend, "_extract_speech_feat", speech_feat)
    replace(frontend, "_extract_speech_token", with_wav("tokens"))
    replace(frontend, "_extract_spk_embedding", with_wav("speaker"))
    replace(
        frontend,
        "speech_tokenizer_session",
        lambda s: WatchedSession(s, seen.speech_tokenizer, seen, "speech tokenizer"),
    )
    replace(
        frontend,
        "campplus_session",
        lambda s: WatchedSession(s, seen.speaker, seen, "speaker embedding"),
    )


def _watch_segments(model, seen, replace):
    def tts(original):
        def wrapper(**inputs):
            seen.segments.append(Segment())
            yield from original(**inputs)

        return wrapper

    replace(model, "tts", tts)


def _watch_llm(llm, seen, replace, progress):
    marks = llm.speech_token_size  # ids from here on

    def sampled(tokens):
        """Pass the tokens on, and note them in the segment."""
        segment = seen.segment
        while True:
            with seen.timed("language model"):
                token = next(tokens, None)
            if token is None:
                return
            segment.tokens.append(int(token))
            progress("language model", len(segment.tokens))
            yield token

    def prompt(inputs):
        seen.segment.prompt_ids = _copy(inputs["prompt_text"])
        seen.segment.prompt_speech_token = _copy(inputs["prompt_speech_token"])

    def inference(original):
        def wrapper(**inputs):
            prompt(inputs)
            seen.segment.ids = _copy(inputs["text"])
            yield from sampled(original(**inputs))

        return wrapper

    def inference_bistream(original):
        def wrapper(text, **inputs):
            prompt(inputs)
            arrived = []

            def noted():
                for ids in text:
                    arrived.append(ids)
                    yield ids

            text_seen = noted()
            try:
                yield from sampled(original(text=text_seen, **inputs))
            except ValueError as error:
                # A mark out of place ends the thread of the language model with this. The tokens
                # so far are spoken all the same, unless the sound is streamed.
                if "should not get token" not in str(error):
                    raise
            # Text that was not waited for is part of the case too.
            arrived.extend(text)
            seen.segment.ids = torch.cat([torch.zeros(1, 0, dtype=torch.int32), *arrived], dim=1)

        return wrapper

    def sampling_ids(original):
        def wrapper(*args, **kwargs):
            token = original(*args, **kwargs)
            seen.segment.stop = token if token >= marks else -1
            return token

        return wrapper

    replace(llm, "inference", inference)
    replace(llm, "inference_bistream", inference_bistream)
    replace(llm, "sampling_ids", sampling_ids)


def _watch_logits(llm, seen, undo):
    hook = llm.llm_decoder.register_forward_hook(
        lambda _module, _inputs, logits: seen.segment.logits.append(_copy(logits[0]))
    )
    undo.callback(hook.remove)


def _leave_out_sound(model, seen, replace):
    def token2wav(_original):
        def wrapper(token, **_inputs):
            seen.segment.kept = token.flatten().tolist()
            # The reference divides by the length of what it speaks.
            return torch.zeros(1, 1)

        return wrapper

    replace(model, "token2wav", token2wav)


def _watch_flow(flow, seen, replace, undo, progress):
    def inference(original):
        def wrapper(**inputs):
            names = ("token", "prompt_token", "prompt_feat", "embedding")
            call = FlowCall(
                *(_copy(inputs[name]) for name in names),
                streaming=inputs["streaming"],
                finalize=inputs["finalize"],
            )
            seen.segment.flow.append(call)
            with seen.timed("flow"):
                result = original(**inputs)
            call.mel = _copy(result[0])
            return result

        return wrapper

    def before_decoder(_module, _args, inputs):
        call = seen.segment.flow[-1]
        call.mu, call.cond = _copy(inputs["mu"]), _copy(inputs["cond"])
        call.speaker = _copy(inputs["spks"])

    def before_estimator(_module, args):
        call = seen.segment.flow[-1]
        call.states.append(_copy(args[0][:1]))
        call.times.append(_copy(args[3][0]))
        progress("flow", len(call.states))

    def after_decoder(_module, _args, result):
        seen.segment.flow[-1].states.append(_copy(result[0]))

    replace(flow, "inference", inference)
    decoder = flow.decoder
    for hook in (
        decoder.register_forward_pre_hook(before_decoder, with_kwargs=True),
        decoder.estimator.register_forward_pre_hook(before_estimator),
        decoder.register_forward_hook(after_decoder),
    ):
        undo.callback(hook.remove)


def _watch_vocoder(model, seen, replace, undo):
    hift = model.hift

    def inference(original):
        def wrapper(speech_feat, finalize=True):
            call = VocoderCall(_copy(speech_feat), finalize)
            seen.segment.vocoder.append(call)
            with seen.timed("vocoder"):
                result = original(speech_feat=speech_feat, finalize=finalize)
            call.wav, call.source = _copy(result[0]), _copy(result[1])
            return result

        return wrapper

    def token2wav(original):
        def wrapper(**inputs):
            result = original(**inputs)
            call = seen.segment.vocoder[-1]
            call.offset = call.wav.shape[1] - result.shape[1]
            seen.segment.kept = inputs["token"].flatten().tolist()
            return result

        return wrapper

    # The predictor runs in float64; what goes on from there is float32.
    def after_f0(_module, _args, f0):
        seen.segment.vocoder[-1].f0 = f0.detach().to(torch.float32)

    replace(hift, "inference", inference)
    replace(model, "token2wav", token2wav)
    undo.callback(hift.f0_predictor.register_forward_hook(after_f0).remove)
