"""The outputs of a network's layers, in float32 and float64, on the inputs that it had.

Each network runs once more as a whole, observed through hooks: the language model over all
positions at once, the flow for its first Euler step, the vocoder over the whole mel. The
same run in float64 says how far float32 may be off at each point.
"""

import contextlib
import copy
import importlib

import torch

from . import float64

NETWORKS = ("llm", "flow", "vocoder")

#: The Euler step whose layers are recorded; of the others only the result is compared.
STEP = 1


class LayersError(Exception):
    """The case has no layers that could be recorded."""


def outputs(reference, seen, networks, case: dict):
    """Two dictionaries by `STAGE/LAYER[SEGMENT]`: NumPy arrays in float32, and in float64."""
    unknown = set(networks) - set(NETWORKS)
    if unknown:
        names = ", ".join(sorted(unknown))
        raise LayersError(f"unknown network {names} (expected {', '.join(NETWORKS)})")
    if case.get("stream", False) or case["mode"] == "vc":
        raise LayersError("layers need a case that is neither streamed nor vc")
    model = reference.engine.model
    singles, doubles = {}, {}
    for i, segment in enumerate(seen.segments):
        single, double = {}, {}
        if "llm" in networks and segment.logits:
            _language_model(model.llm, segment, single, double)
        if "flow" in networks:
            _flow(model.flow, segment.flow[0], single, double)
        if "vocoder" in networks:
            _vocoder(model.hift, segment.vocoder[0], single, double)
        singles.update({f"{name}[{i}]": v.float().numpy() for name, v in single.items()})
        doubles.update({f"{name}[{i}]": v.double().numpy() for name, v in double.items()})
    return singles, doubles


class _Watch:
    """Keeps what modules hand out, under the names that it is given."""

    def __init__(self, kept: dict):
        self._kept, self._undo = kept, contextlib.ExitStack()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self._undo.close()

    def keep(self, name: str, value):
        # The reference adds to some of its results in place.
        self._kept[name] = value.detach().clone()

    def output(self, module, name: str, of=lambda result: result):
        """Keep what `of` makes of the module's result."""

        def after(_module, _inputs, result):
            self.keep(name, of(result))

        self._undo.callback(module.register_forward_hook(after).remove)

    def replace(self, owner, name: str, wrapper):
        original = getattr(owner, name)
        own = name in vars(owner)
        setattr(owner, name, wrapper(original))
        if own:
            self._undo.callback(setattr, owner, name, original)
        else:
            self._undo.callback(delattr, owner, name)


def _first(result):
    """The hidden states of a layer's result, without the batch."""
    return (result[0] if isinstance(result, tuple) else result)[0]


def _language_model(llm, segment, single: dict, double: dict):
    inputs = float64.teacher_forced_inputs(llm, segment)
    for body, kept, dtype in (
        (llm.llm.model.model, single, torch.float32),
        (float64.exact_body(llm), double, torch.float64),
    ):
        kept["llm.logits/embedding"] = inputs.to(dtype)
        with _Watch(kept) as watch:
            for i, layer in enumerate(body.layers):
                name = f"llm.logits/layer.{i:02}"
                heads = _heads(layer.self_attn.head_dim)
                watch.output(layer.self_attn.v_proj, f"{name}.attention.v", heads)
                watch.output(layer.self_attn, f"{name}.attention", _first)
                watch.output(layer.mlp, f"{name}.mlp", _first)
                watch.output(layer, f"{name}.output", _first)
            watch.output(body.norm, "llm.logits/norm", _first)
            _watch_rotary(watch, type(body.layers[0].self_attn))
            body(inputs_embeds=inputs[None].to(dtype), use_cache=False)


def _heads(size: int):
    """[1, positions, heads * size] to [heads, positions, size]."""
    return lambda x: x[0].unflatten(-1, (-1, size)).transpose(0, 1)


def _watch_rotary(watch: _Watch, attention):
    """Queries and keys as they are turned, layer by layer."""
    layer = iter(range(10**6))

    def wrap(original):
        def wrapper(*args, **kwargs):
            query, key = original(*args, **kwargs)
            name = f"llm.logits/layer.{next(layer):02}.attention"
            watch.keep(f"{name}.q_rotary", query[0])
            watch.keep(f"{name}.k_rotary", key[0])
            return query, key

        return wrapper

    module = importlib.import_module(attention.__module__)
    watch.replace(module, "apply_rotary_pos_emb", wrap)


def _flow(flow, call, single: dict, double: dict):
    exact = copy.deepcopy(flow).double()
    for network, kept, dtype in ((flow, single, torch.float32), (exact, double, torch.float64)):
        embedding = torch.nn.functional.normalize(call.embedding.to(dtype), dim=1)
        kept["flow.mu/speaker"] = network.spk_embed_affine_layer(embedding)[0]
        mu, speaker, cond = (v.to(dtype) for v in (call.mu, call.speaker, call.cond))
        name, estimator = f"flow.step.{STEP:02}", network.decoder.estimator
        with _Watch(kept) as watch:
            watch.output(estimator.time_embed, f"{name}/time_embed", _first)
            watch.output(estimator.input_embed, f"{name}/input_embed")
            for i, block in enumerate(estimator.transformer_blocks):
                watch.output(block.attn, f"{name}/block.{i:02}.attention")
                watch.output(block, f"{name}/block.{i:02}")
            watch.output(estimator.norm_out, f"{name}/norm_out")
            x, t = call.states[STEP - 1].to(dtype), call.times[STEP - 1].to(dtype)
            velocity = float64.velocity(network, x, t, mu, speaker, cond, call.streaming)
            watch.keep(f"{name}/velocity", velocity[0])


def _vocoder(hift, call, single: dict, double: dict):
    exact = copy.deepcopy(hift).double()
    exact.stft_window = exact.stft_window.double()
    for network, kept, dtype in ((hift, single, torch.float32), (exact, double, torch.float64)):
        with _Watch(kept) as watch:
            activations = [m for m in network.f0_predictor.condnet if isinstance(m, torch.nn.ELU)]
            for i, activation in enumerate(activations):
                watch.output(activation, f"vocoder.f0/condnet.{i}")
            # The reference itself predicts in float64.
            network.f0_predictor(call.mel.double(), finalize=call.finalize)

            name = "vocoder.wav"
            blocks = network.num_kernels
            watch.output(network.conv_pre, f"{name}/conv_pre")
            for i, up in enumerate(network.ups):
                watch.output(up, f"{name}/up.{i}")
                watch.output(network.source_resblocks[i], f"{name}/source_branch.{i}")
                for j in range(blocks):
                    block = network.resblocks[i * blocks + j]
                    watch.output(block, f"{name}/resblock.{i}.{j}")
            watch.output(network.conv_post, f"{name}/conv_post")

            def stft(original, watch=watch):
                def wrapper(sound):
                    real, imaginary = original(sound)
                    watch.keep("vocoder.wav/stft", torch.cat([real, imaginary], dim=1))
                    return real, imaginary

                return wrapper

            watch.replace(network, "_stft", stft)
            network.decode(
                x=call.mel.to(dtype), s=call.source.to(dtype), finalize=call.finalize
            )
