"""The released models that are offered by name: `RELEASED`, each with its size, published AP and licence.

In: nothing but this file, so that a page can list them at once. AP and licence are those of the repository that
`source` names; parameters are counted in transformers' model of that layout (`bench/layouts.py`, a test compares them).
Left out are models of which the hub has only a pickle (YOLOS-base), or only a layout of their own (DEIMv2 of its
authors), and those under a licence that forbids to use them freely (RF-DETR XL and 2XL).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

COCO, TABLES = "COCO", "PubTables-1M"
BYTES = 4  # of a parameter: all weights are float32
APACHE, MIT = "Apache-2.0", "MIT"


@dataclass(frozen=True)
class ReleasedModel:
    """A model of the Hugging Face hub, as its authors describe it.

    name        on the hub, owner/model
    family      `model_type` of its config.json
    parameters  in millions
    ap          as published, in percent, on the validation images of `data`
    source      the GitHub repository that states its AP
    edges       shortest and longest edge, in pixels, of the pictures on which it has this AP
    square      whether those were stretched to a square
    licence     of the weights
    data        the data set whose classes it knows
    """

    name: str
    family: str
    parameters: float
    ap: float
    source: str
    edges: tuple[int, int] = (800, 1333)
    square: bool = False
    licence: str = APACHE
    data: str = COCO

    @property
    def megabytes(self) -> float:
        """How large its download is, in millions of bytes."""
        return self.parameters * BYTES

    @property
    def pictures(self) -> str:
        """The size of its pictures, in words."""
        shortest, longest = self.edges
        if self.square:
            return f"{longest} × {longest}"
        return f"{shortest} to {longest}" if shortest < longest else f"at most {longest}"


FAMILIES = {
    "rf_detr": "RF-DETR", "d_fine": "D-FINE", "rt_detr_v2": "RT-DETRv2", "rt_detr": "RT-DETR", "deimv2": "DEIMv2",
    "lw_detr": "LW-DETR", "dab-detr": "DAB-DETR", "deformable_detr": "Deformable DETR",
    "conditional_detr": "Conditional DETR", "detr": "DETR", "yolos": "YOLOS", "table-transformer": "Table Transformer",
}  # fmt: skip
"""What each `model_type` is called, in the order in which families are offered."""


def _family(family: str, source: str, *models: tuple[str, float, float], **facts: Any) -> tuple[ReleasedModel, ...]:
    """Return models of one family, given as name, parameters and AP; `facts` are the same for all of them."""
    return tuple(ReleasedModel(name, family, size, ap, source, **facts) for name, size, ap in models)


def _square(edge: int) -> dict[str, Any]:
    return {"edges": (edge, edge), "square": True}


_RF, _RT = "roboflow/rf-detr", "lyuwenyu/RT-DETR"
RELEASED = {
    model.name: model
    for model in (
        *_family("rf_detr", _RF, ("Roboflow/rf-detr-nano", 30.5, 48.4), **_square(384)),
        *_family("rf_detr", _RF, ("Roboflow/rf-detr-small", 32.1, 53.0), **_square(512)),
        *_family("rf_detr", _RF, ("Roboflow/rf-detr-base", 32.2, 53.3), **_square(560)),
        *_family("rf_detr", _RF, ("Roboflow/rf-detr-medium", 33.7, 54.7), **_square(576)),
        *_family("rf_detr", _RF, ("Roboflow/rf-detr-large", 33.9, 56.5), **_square(704)),
        *_family(
            "d_fine", "Peterande/D-FINE",
            ("ustc-community/dfine-nano-coco", 3.8, 42.8), ("ustc-community/dfine-small-coco", 10.3, 48.5),
            ("ustc-community/dfine-medium-coco", 19.6, 52.3), ("ustc-community/dfine-large-coco", 31.2, 54.0),
            ("ustc-community/dfine-xlarge-coco", 62.6, 55.8),
            ("ustc-community/dfine-small-obj2coco", 10.3, 50.7), ("ustc-community/dfine-medium-obj2coco", 19.6, 55.1),
            ("ustc-community/dfine-large-obj2coco-e25", 31.2, 57.3),
            ("ustc-community/dfine-xlarge-obj2coco", 62.6, 59.3), **_square(640),
        ),
        *_family(
            "rt_detr_v2", _RT,
            ("PekingU/rtdetr_v2_r18vd", 20.2, 48.1), ("PekingU/rtdetr_v2_r34vd", 31.4, 49.9),
            ("PekingU/rtdetr_v2_r50vd", 42.9, 53.4), ("PekingU/rtdetr_v2_r101vd", 76.6, 54.3), **_square(640),
        ),
        *_family(
            "rt_detr", _RT,
            ("PekingU/rtdetr_r18vd", 20.2, 46.5), ("PekingU/rtdetr_r34vd", 31.4, 48.9),
            ("PekingU/rtdetr_r50vd", 42.9, 53.1), ("PekingU/rtdetr_r101vd", 76.6, 54.3),
            ("PekingU/rtdetr_r18vd_coco_o365", 20.2, 49.2), ("PekingU/rtdetr_r50vd_coco_o365", 42.9, 55.3),
            ("PekingU/rtdetr_r101vd_coco_o365", 76.6, 56.2), **_square(640),
        ),
        *_family(  # of the weights that transformers' own documentation and tests load
            "deimv2", "Intellindust-AI-Lab/DEIMv2",
            ("harshaljanjani/DEIMv2_HGNetv2_PICO_COCO_Transformers", 1.5, 38.5),
            ("harshaljanjani/DEIMv2_HGNetv2_N_COCO_Transformers", 3.6, 43.0), **_square(640),
        ),
        *_family(
            "lw_detr", "Atten4Vis/LW-DETR",
            ("AnnaZhang/lwdetr_tiny_60e_coco", 12.1, 42.6), ("AnnaZhang/lwdetr_small_60e_coco", 14.6, 48.0),
            ("AnnaZhang/lwdetr_medium_60e_coco", 28.2, 52.5), ("AnnaZhang/lwdetr_large_60e_coco", 46.8, 56.1),
            ("AnnaZhang/lwdetr_xlarge_60e_coco", 118.0, 58.3), **_square(640),
        ),
        *_family(
            "dab-detr", "IDEA-Research/DAB-DETR",
            ("IDEA-Research/dab-detr-resnet-50", 43.7, 42.2), ("IDEA-Research/dab-detr-resnet-50-pat3", 43.7, 42.6),
            ("IDEA-Research/dab-detr-resnet-50-dc5", 43.7, 44.5),
            ("IDEA-Research/dab-detr-resnet-50-dc5-pat3", 43.7, 45.7),
        ),
        *_family(
            "deformable_detr", "fundamentalvision/Deformable-DETR",
            ("SenseTime/deformable-detr-single-scale", 34.1, 39.4),
            ("SenseTime/deformable-detr-single-scale-dc5", 34.1, 41.5), ("SenseTime/deformable-detr", 40.1, 44.5),
            ("SenseTime/deformable-detr-with-box-refine", 40.7, 46.2),
            ("SenseTime/deformable-detr-with-box-refine-two-stage", 41.2, 46.9),
        ),
        *_family(
            "conditional_detr", "Atten4Vis/ConditionalDETR", ("microsoft/conditional-detr-resnet-50", 43.4, 41.0)
        ),
        *_family(
            "detr", "facebookresearch/detr",
            ("facebook/detr-resnet-50", 41.5, 42.0), ("facebook/detr-resnet-50-dc5", 41.5, 43.3),
            ("facebook/detr-resnet-101", 60.5, 43.5), ("facebook/detr-resnet-101-dc5", 60.5, 44.9),
        ),
        *_family("yolos", "hustvl/YOLOS", ("hustvl/yolos-tiny", 6.5, 28.7), edges=(512, 853)),
        *_family("yolos", "hustvl/YOLOS", ("hustvl/yolos-small", 30.7, 36.1)),
        *_family(
            "table-transformer", "microsoft/table-transformer", ("microsoft/table-transformer-detection", 28.8, 97.0),
            edges=(800, 800), licence=MIT, data=TABLES,
        ),
    )
}  # fmt: skip
