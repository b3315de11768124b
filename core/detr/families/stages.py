"""The stages of a convolutional backbone, by the names of its parameters: which of them is above which.

In: a backbone. Out: how many stages are above each of its parameters, for rates that decay from stage to stage.
"""

from __future__ import annotations

import re

from torch import nn

# ResNets and HGNetV2s of transformers: encoder.stages.0.; timm's: layer1., stages.0. or stages_0., blocks.0., layers.0.
_STAGE = re.compile(r"(?:^|\.)(?:stages|layers?|blocks)[._]?(\d+)\.")


def stages_above(backbone: nn.Module, name: str) -> dict[str, int]:
    """Return how many stages are above each parameter of the `backbone` called `name`, by its name in the model.

    What comes before the first stage, the stem, has all above it; what comes after the last, none. A backbone without
    stages has none above any.
    """
    stages = {parameter: _STAGE.search(parameter) for parameter, _ in backbone.named_parameters()}
    numbers = sorted({int(match[1]) for match in stages.values() if match})
    above, level = {}, len(numbers)
    last = next((parameter for parameter in reversed(stages) if stages[parameter]), "")
    for parameter, match in stages.items():
        if match:
            level = len(numbers) - 1 - numbers.index(int(match[1]))
        above[f"{name}.{parameter}"] = level
        level = 0 if parameter == last else level
    return above
