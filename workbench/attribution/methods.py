"""The table of attribution methods: what each is, costs, promises and needs. No torch, so that pages draw at once."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

UNBELIEVABLE = 0.05
"""A map that misses more than this share of the change of the score that it must sum to is kept back."""


@dataclasses.dataclass(frozen=True)
class Method:
    """One attribution method.

    Attributes:
        name: Its name in `METHODS`, links and files.
        title: Its name on the screen.
        family: "gradient", "perturbation", "layer", "attention", or "own": what the model itself gives.
        cost: Forward passes (for gradients: with their backward), about, at the defaults.
        signed: Whether negative values mean evidence against the class.
        complete: Whether the map must sum to the change of the score from the baseline to the image.
        params: Its settings with their defaults.
        unit: What one value of the map means.
        plain: What it shows, for a reader who has never heard of it.
        paper: Where it comes from.
        background: Whether it compares with images of the image set, given to `attribute` as `background`.

    Example:
        >>> wb.METHODS["grad_cam"].title
        'Grad-CAM'
        >>> [name for name, method in wb.METHODS.items() if method.family == "attention"]
        ['attention_rollout', 'gradient_attention']
    """

    name: str
    title: str
    family: Literal["gradient", "perturbation", "layer", "attention", "own"]
    cost: int
    signed: bool
    complete: bool
    params: Mapping[str, object]
    unit: str
    plain: str
    paper: str
    background: bool = False

    @property
    def reacts(self) -> bool:
        """Whether a value says how the score reacts to the input there, rather than its share of the score."""
        return "unit of input" in self.unit or "gradient" in self.unit


_TABLE = (
    Method(
        name="saliency",
        title="Saliency",
        family="gradient",
        cost=1,
        signed=False,
        complete=False,
        params={},
        unit="score per unit of input",
        plain="Bright where changing a pixel a little would change the score most, in either direction.",
        paper="Simonyan et al. 2014, Deep Inside Convolutional Networks",
    ),
    Method(
        name="grad_cam",
        title="Grad-CAM",
        family="layer",
        cost=1,
        signed=True,
        complete=False,
        params={"layer": None},
        unit="score, weighted activation",
        plain="The coarse regions in one layer of the network that speak for (or against) the class.",
        paper="Selvaraju et al. 2017, Grad-CAM",
    ),
    Method(
        name="grad_cam_pp",
        title="Grad-CAM++",
        family="layer",
        cost=1,
        signed=True,
        complete=False,
        params={"layer": None},
        unit="weighted activation",
        plain="Grad-CAM with a weight for each place: several objects of the class all show.",
        paper="Chattopadhay et al. 2018, Grad-CAM++",
    ),
    Method(
        name="layer_cam",
        title="LayerCAM",
        family="layer",
        cost=1,
        signed=True,
        complete=False,
        params={"layer": None},
        unit="score, weighted activation",
        plain=(
            "Each place of a layer weighted by its own gradient for the class: finer than Grad-CAM, also on early"
            " layers."
        ),
        paper="Jiang et al. 2021, LayerCAM",
    ),
    Method(
        name="eigen_cam",
        title="Eigen-CAM",
        family="layer",
        cost=1,
        signed=False,
        complete=False,
        params={"layer": None},
        unit="activation along the layer's main pattern",
        plain=(
            "The strongest pattern of one layer. It is the same for every class: what the model sees, not what decides."
        ),
        paper="Muhammad and Yeasin 2020, Eigen-CAM",
    ),
    Method(
        name="attention_rollout",
        title="Attention rollout",
        family="attention",
        cost=1,
        signed=False,
        complete=False,
        params={},
        unit="share of attention",
        plain=(
            "How attention carries each patch to the output. It is the same for every class: what the model reads, not"
            " what decides."
        ),
        paper="Abnar and Zuidema 2020, Quantifying Attention Flow in Transformers",
    ),
    Method(
        name="gradient_attention",
        title="Gradient-weighted attention",
        family="attention",
        cost=1,
        signed=False,
        complete=False,
        params={},
        unit="attention, weighted by its positive effect on the score",
        plain="The attention that speaks for the class, traced through all blocks of a transformer to the image.",
        paper="Chefer et al. 2021, Generic Attention-model Explainability",
    ),
    Method(
        name="anomaly_map",
        title="Anomaly map (the model's own)",
        family="own",
        cost=1,
        signed=False,
        complete=False,
        params={},
        unit="the model's own measure of anomaly",
        plain=(
            "Where the model finds the part anomalous: the map it outputs beside its score, the same for every class."
        ),
        paper="The model itself; see Roth et al. 2022, Towards Total Recall in Industrial Anomaly Detection",
    ),
    Method(
        name="input_x_gradient",
        title="Input x gradient",
        family="gradient",
        cost=1,
        signed=True,
        complete=False,
        params={},
        unit="score",
        plain="The gradient times the pixel's value: a first guess at each pixel's contribution.",
        paper="Shrikumar et al. 2017, Not Just a Black Box",
    ),
    Method(
        name="guided_backprop",
        title="Guided backprop",
        family="gradient",
        cost=2,
        signed=True,
        complete=False,
        params={},
        unit="score per unit of input",
        plain=(
            "The gradient, passed back only through units with a positive effect: crisp, but similar for many classes."
        ),
        paper="Springenberg et al. 2015, Striving for Simplicity",
    ),
    Method(
        name="guided_grad_cam",
        title="Guided Grad-CAM",
        family="layer",
        cost=3,
        signed=True,
        complete=False,
        params={"layer": None},
        unit="guided gradient x Grad-CAM",
        plain="Guided backprop inside the regions that Grad-CAM finds for the class: fine detail where it counts.",
        paper="Selvaraju et al. 2017, Grad-CAM",
    ),
    Method(
        name="deeplift",
        title="DeepLift",
        family="gradient",
        cost=3,
        signed=True,
        complete=True,
        params={"baseline": "mean"},
        unit="score",
        plain=(
            "Distributes the score's rise from the baseline by how much each unit changed, in one pass; the map sums to"
            " that rise."
        ),
        paper="Shrikumar et al. 2017, Learning Important Features Through Propagating Activation Differences",
    ),
    Method(
        name="smoothgrad",
        title="SmoothGrad",
        family="gradient",
        cost=24,
        signed=True,
        complete=False,
        params={"samples": 24, "noise": 0.15, "seed": 0},
        unit="score per unit of input",
        plain="The gradient averaged over noisy copies of the image: keeps what is stable and removes noise.",
        paper="Smilkov et al. 2017, SmoothGrad",
    ),
    Method(
        name="smoothgrad_sq",
        title="SmoothGrad squared",
        family="gradient",
        cost=24,
        signed=False,
        complete=False,
        params={"samples": 24, "noise": 0.15, "seed": 0},
        unit="squared score per squared unit of input",
        plain="The squared gradient averaged over noisy copies: strong, stable effects stand out, in either direction.",
        paper="Hooker et al. 2019, A Benchmark for Interpretability Methods in Deep Neural Networks",
    ),
    Method(
        name="vargrad",
        title="VarGrad",
        family="gradient",
        cost=24,
        signed=False,
        complete=False,
        params={"samples": 24, "noise": 0.15, "seed": 0},
        unit="squared score per squared unit of input",
        plain=(
            "The variance of the gradient over noisy copies of the image: bright where the model is sensitive to"
            " details."
        ),
        paper="Adebayo et al. 2018, Sanity Checks for Saliency Maps",
    ),
    Method(
        name="feature_ablation",
        title="Feature ablation",
        family="perturbation",
        cost=50,
        signed=True,
        complete=False,
        params={"baseline": "mean", "segments": 50},
        unit="fall of the score, distributed over a superpixel's pixels",
        plain="Covers one superpixel after another: a region's values sum to the fall of the score without it.",
        paper="Zeiler and Fergus 2014, Visualizing and Understanding Convolutional Networks, over superpixels",
    ),
    Method(
        name="expected_gradients",
        title="Expected gradients",
        family="gradient",
        cost=64,
        signed=True,
        complete=True,
        params={"samples": None, "tolerance": 0.01, "noise": 0.0, "seed": 0},
        unit="score",
        plain=(
            "Integrated gradients with images of the set as baselines instead of one blank image: what sets this image"
            " apart from them."
        ),
        paper="Erion et al. 2021, Improving Performance of Deep Learning Models with Axiomatic Attribution Priors",
        background=True,
    ),
    Method(
        name="score_cam",
        title="Score-CAM",
        family="layer",
        cost=65,
        signed=False,
        complete=False,
        params={"layer": None, "channels": 64},
        unit="activation of the most active channels, weighted by score",
        plain=(
            "Masks the image with each of a layer's 64 most active channels, and sums the channels by the score they"
            " keep."
        ),
        paper="Wang et al. 2020, Score-CAM",
    ),
    Method(
        name="integrated_gradients",
        title="Integrated gradients",
        family="gradient",
        cost=100,
        signed=True,
        complete=True,
        params={"baseline": "mean", "n_steps": None, "tolerance": 0.01},
        unit="score",
        plain=(
            "Distributes the score's rise from a blank image (the baseline) to this one over the pixels; the map sums"
            " to that rise."
        ),
        paper="Sundararajan et al. 2017, Axiomatic Attribution for Deep Networks",
    ),
    Method(
        name="occlusion",
        title="Occlusion",
        family="perturbation",
        cost=226,
        signed=True,
        complete=False,
        params={"baseline": "mean", "window": 0.125},
        unit="fall of the score",
        plain="Covers one spot after another and shows how much the score falls. It needs no gradients.",
        paper="Zeiler and Fergus 2014, Visualizing and Understanding Convolutional Networks",
    ),
    Method(
        name="lime",
        title="LIME",
        family="perturbation",
        cost=300,
        signed=True,
        complete=False,
        params={"baseline": "mean", "segments": 50, "samples": 300, "seed": 0},
        unit="score, distributed over a superpixel's pixels",
        plain=(
            "Covers random sets of regions and fits a linear model to the scores: what each region adds, near this"
            " image."
        ),
        paper='Ribeiro et al. 2016, "Why Should I Trust You?"',
    ),
    Method(
        name="kernel_shap",
        title="KernelSHAP",
        family="perturbation",
        cost=300,
        signed=True,
        complete=True,
        params={"baseline": "mean", "segments": 50, "samples": 300, "seed": 0},
        unit="score, distributed over a superpixel's pixels",
        plain=(
            "Each region's Shapley value (fair share) of the score's rise from a blank image; the values sum to that"
            " rise."
        ),
        paper="Lundberg and Lee 2017, A Unified Approach to Interpreting Model Predictions",
    ),
)

METHODS: Mapping[str, Method] = MappingProxyType({method.name: method for method in _TABLE})
