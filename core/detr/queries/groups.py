"""Query groups: in training a decoder answers for copies of its queries, too, each group matched by itself.

Each object is so taught to several queries a step, while one query still has to answer for it: the groups do not see
each other in self-attention. The first group is the model's queries; the others are they with noise, which follows from
a seed and stays the same in all steps. So they have no weights of their own – what they learn, the model's queries
learn – and evaluation, checkpoints and exports know nothing of them.

transformers' decoders stay as they are: what goes in is multiplied by a hook, and their self-attentions are called once
for the model's queries, exactly as without groups, and once for all copies, each group as if it were an image.

Source: Chen et al. 2022 (Group DETR), section 3, whose groups have weights of their own; Jia et al. 2022 (H-DETR).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import torch
from torch import nn

# Of the spread of a model's queries. Copies of the starter's with so much noise have, untrained, its losses within 1 %,
# and match a quarter of the objects with another query; with twice as much they are 8 % worse.
NOISE = 0.5
MASK, REFERENCES = "attention_mask", "init_reference_points"


@dataclass(frozen=True)
class QueryInputs:
    """Names of a decoder's arguments (B, Q, …) with a row for each query: in copies with noise, or the same."""

    noised: tuple[str, ...]
    same: tuple[str, ...] = ()


@dataclass(frozen=True)
class QueryGroups:
    """How many groups of how many queries there are, and the seed of the copies' noise."""

    count: int
    queries: int
    seed: int

    def multiply(self, arguments: Mapping[str, Any], inputs: QueryInputs) -> dict[str, torch.Tensor]:
        """Return those of a decoder's `arguments` that `inputs` names, with rows for the copies behind the queries'.

        (B, D + Q, …) becomes (B, D + count · Q, …): D rows of denoising queries stand before, and are not copied.
        """
        multiplied = {name: self._repeated(arguments[name]) for name in inputs.same}
        for number, name in enumerate(inputs.noised):
            given = arguments[name]
            released = given[:, -self.queries :]
            noise = _noise(self.count - 1, *released.shape[1:], self.seed, number).to(given.device)
            spread = NOISE * released.detach().float().std(1, correction=0)[:, None, None]  # (B, 1, 1, width)
            copies = (released[:, None] + spread * noise).to(given.dtype)
            multiplied[name] = torch.cat([given, copies.flatten(1, 2)], 1)
        return multiplied

    def _repeated(self, given: torch.Tensor) -> torch.Tensor:
        return torch.cat([given, *[given[:, -self.queries :]] * (self.count - 1)], 1)

    def attend(self, forward: Callable[..., Any], **arguments: Any) -> tuple[torch.Tensor, None]:
        """Return a self-attention's output (B, D + count · Q, width), in which no group sees another.

        forward  the attention's own; denoising queries are seen and masked with the first group as without others
        """
        start = arguments["hidden_states"].shape[1] - (self.count - 1) * self.queries
        tensors = {name: one for name, one in arguments.items() if isinstance(one, torch.Tensor) and name != MASK}
        released, *_ = forward(**arguments | {name: one[:, :start] for name, one in tensors.items()})
        as_images = {name: one[:, start:].reshape(-1, self.queries, one.shape[-1]) for name, one in tensors.items()}
        copies, *_ = forward(**{name: one for name, one in arguments.items() if name != MASK} | as_images)
        return torch.cat([released, copies.reshape(len(released), -1, copies.shape[-1])], 1), None


@contextmanager
def grouped(
    model: Any, groups: QueryGroups, multiply: Callable[[dict[str, Any]], dict[str, torch.Tensor]]
) -> Iterator[None]:
    """Let the decoder of transformers' `model` answer for all groups within the context; afterwards it is as before.

    multiply  what `QueryGroups.multiply` does, of all of the decoder's arguments
    """
    multiplied: dict[str, torch.Tensor] = {}

    def enter(_: nn.Module, positional: Any, named: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        multiplied.update(multiply(named))
        return positional, named | multiplied

    def leave(_: nn.Module, __: Any, output: Any) -> None:
        if getattr(output, REFERENCES, None) is not None:  # which the model notes before it calls its decoder
            setattr(output, REFERENCES, multiplied["reference_points"])

    with ExitStack() as stack:
        stack.callback(model.decoder.register_forward_pre_hook(enter, with_kwargs=True).remove)
        stack.callback(model.register_forward_hook(leave).remove)
        for layer in model.decoder.layers:
            layer.self_attn.forward = partial(groups.attend, layer.self_attn.forward)
            stack.callback(delattr, layer.self_attn, "forward")
        yield


@lru_cache(maxsize=8)
def _noise(copies: int, queries: int, width: int, seed: int, number: int) -> torch.Tensor:
    """Return noise (copies, Q, width) float32 of variance 1 that follows from `seed` and an input's `number`."""
    generator = torch.Generator().manual_seed(2 * seed + number)
    return torch.randn(copies, queries, width, generator=generator)
