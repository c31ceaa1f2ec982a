"""An image classifier and how to ask it; `workbench.models.loading` says where one comes from."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from workbench.errors import InputError
from workbench.images import ImageItem, Raster, shown
from workbench.models.corners import noise, read_grids
from workbench.models.deep_pixels import source_of
from workbench.models.folder import label_key
from workbench.models.grids import Grid
from workbench.models.heads import LOGITS, Answer, Head
from workbench.models.holding import held
from workbench.models.inputs import Askable, Input
from workbench.models.placement import Placement
from workbench.models.preprocessing import BATCH, Preprocessing
from workbench.models.reading import Fact
from workbench.models.tempering import tempered, untempered
from workbench.models.tiles import TOGETHER, cut_tile, join_tiles
from workbench.predictions import NO_LIMITS, DecisionRule, Limits, Predictions, tabulate


@dataclasses.dataclass(frozen=True, eq=False)
class Classifier:
    """A model with everything that is needed to ask it about an image.

    Attributes:
        key: Digest of weights and preprocessing: two classifiers with the same key answer alike.
        name: How it is called on the screen.
        model: Takes (N, C, H, W) and returns what `head` reads.
        preprocessing: How an image becomes its input.
        rule: Classes, positive class and threshold.
        device: Where it computes.
        head: How its answers are read.
        notes: What a reader must know before believing it, one sentence each.
        limits: The most mistakes that are acceptable, where its description says so.
        facts: How it was read: each assumption, and where it comes from.
        prefix_tokens: Tokens before those of the image (class, distillation, registers), where somebody says so.
        lock: Held around every forward and every attribution (hooks and modes are shared between threads).

    Example:
        >>> clf.class_names, clf.positive
        (('functional', 'defective'), 'defective')
        >>> clf.input(item).x.shape
        torch.Size([3, 256, 256])
    """

    key: str
    name: str
    model: nn.Module
    preprocessing: Preprocessing
    rule: DecisionRule
    device: torch.device
    head: Head = LOGITS
    notes: tuple[str, ...] = ()
    limits: Limits = NO_LIMITS
    facts: tuple[Fact, ...] = ()
    prefix_tokens: int | None = None
    lock: threading.RLock = dataclasses.field(default_factory=threading.RLock, repr=False)

    @property
    def class_names(self) -> tuple[str, ...]:
        """The K classes."""
        return self.rule.class_names

    @property
    def positive(self) -> str | None:
        """The class that a defect decision is about."""
        return self.rule.positive

    @property
    def single(self) -> bool:
        """Whether the model gives one number an image: the log-odds of the second of two classes."""
        return self.head.single

    @property
    def scored(self) -> bool:
        """Whether that number is an anomaly score, which may come with a map."""
        return self.head.kind == "anomaly"

    def label(self, name: str) -> Classifier:
        """The same model about one of several labels: a classifier of two classes, `no NAME` and `NAME`.

        Raises:
            InputError: Its classes exclude each other, or it has no such label.
        """
        if not self.head.several:
            raise InputError('The classes of this model exclude each other: labels belong to a head = "multilabel".')
        column = self.index(name)
        if column in self._labels:
            return self._labels[column]
        lone = dataclasses.replace(
            self,
            key=label_key(self.key, column),
            name=f"{self.name}: {self.class_names[column]}",
            rule=self.rule.about(column),
            head=dataclasses.replace(self.head, column=column),
        )
        return self._labels.setdefault(column, lone)

    @cached_property
    def _labels(self) -> dict[int, Classifier]:
        return {}

    def prepare(self, image: ImageItem | Image.Image) -> Tensor:
        """An image as input: float32 of shape (C, H, W) on the CPU."""
        return self.prepared(self._whole(image))

    def prepared(self, source: Image.Image | Raster) -> Tensor:
        """What `source` gave, as input."""
        return torch.from_numpy(self.preprocessing.normalise(self.preprocessing.pixels(source)))

    def source(
        self, image: ImageItem | Image.Image | NDArray, pixels: Image.Image | None = None
    ) -> Image.Image | Raster:
        """What an input is made of: an image in RGB, or the values of its file where those are more. Errors as
        `input`."""
        prep = self.preprocessing
        return source_of(image, pixels, bands=prep.bands, ranged=prep.range is not None)

    def _whole(
        self, image: ImageItem | Image.Image | NDArray, pixels: Image.Image | None = None
    ) -> Image.Image | Raster:
        """The same, refused where it is read in tiles."""
        source = self.source(image, pixels)
        if self.preprocessing.boxes(*source.size):
            width, height = source.size
            raise InputError(
                f"The image of {width:,} x {height:,} pixels is read in tiles, of which predictions and maps are"
                " joined, and nothing else: crop the part that matters."
            )
        return source

    @cached_property
    def untiled(self) -> Classifier:
        """The same model, which reads every image as a whole."""
        return dataclasses.replace(self, preprocessing=dataclasses.replace(self.preprocessing, tiles=None))

    def input(self, image: Askable, pixels: Image.Image | None = None) -> Input:
        """An image with all that is made of it before the model is asked; one that is ready is taken as it is.

        Args:
            image: What to make ready; an array has shape (H, W, 3), or is one that `levels` gave.
            pixels: What `ImageItem.open` gives of `image`, where it is at hand.

        Raises:
            InputError: As `ImageItem.open`.
        """
        if isinstance(image, Input):
            return image
        item = image if isinstance(image, ImageItem) else None
        return self.ready(self._whole(image, pixels), pixels, item)

    def ready(
        self, source: Image.Image | Raster, pixels: Image.Image | None = None, item: ImageItem | None = None
    ) -> Input:
        """What `source` gave, with all that is made of it."""
        decoded = pixels or (shown(source) if isinstance(source, Raster) else source)
        return Input(decoded, self.prepared(source), self.preprocessing.placement(source), item, source)

    def levels(self, image: Askable) -> NDArray[np.uint8] | NDArray[np.float32]:
        """What edits of an image are made on, from 0, black, to 255, white: bytes (H, W, 3), or floats (H, W, C) where
        the image holds more than 8 bits or the model takes other channels. `input` takes either again.

        Raises:
            InputError: As `input`.
        """
        source = (image.source or image.image) if isinstance(image, Input) else self._whole(image)
        return self.preprocessing.levels(source)

    def baseline(self, name: str, ready: Input) -> NDArray[np.float32]:
        """A reference input without evidence, (C, H, W). Errors as `Preprocessing.baseline`."""
        return self.preprocessing.baseline(name, ready.source or ready.image)

    def exactly(self, image: Image.Image) -> Input:
        """An image that shows an input pixel for pixel, as an attacked one does: not to be resized or cut again."""
        rows, columns = self.preprocessing.size
        if image.size != (columns, rows):
            raise ValueError(f"the model takes {columns} x {rows} pixels, not {image.width} x {image.height}")
        whole = dataclasses.replace(
            self.preprocessing, resize="stretch", resize_to=None, backend="pillow", antialias=True
        )
        x = torch.from_numpy(whole.normalise(whole.pixels(image)))
        return Input(image, x, whole.placement(image))

    def placement(self, image: ImageItem | Image.Image) -> Placement:
        """Where the input lies on the image."""
        return self.preprocessing.placement(image.open() if isinstance(image, ImageItem) else image)

    def answer(self, x: Tensor) -> Answer:
        """What the model says of inputs of shape (N, C, H, W), with its own anomaly map where it gives one.

        Raises:
            InputError: It answers with something else than a classifier does.
        """
        with self.lock:
            return self.head.ask(self.model, x.to(self.device))

    def logits(self, x: Tensor) -> Tensor:
        """Logits of shape (N, K) for inputs of shape (N, C, H, W), with gradients where `x` asks for them.

        A single log-odds z becomes (0, z), whose softmax is its sigmoid.
        """
        out = self.answer(x).logits.float()  # autocast and half precision leave less
        if self.single:
            z = out.reshape(len(x), 1)
            out = torch.cat([torch.zeros_like(z), z], dim=1)
        return out

    def probabilities(self, logits: Tensor) -> Tensor:
        """Probabilities (N, K) for logits (N, K) at the rule's temperature: they sum to 1, but for several labels that
        can be true at once."""
        return tempered(logits, self.rule, several=self.head.several)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, K), float32 on the CPU, for inputs (N, C, H, W): without gradients, the model left as it was."""
        with untouched(self), torch.inference_mode():
            return self.logits(x).float().cpu()

    def joined(self, logits: Tensor) -> Tensor:
        """The logits (K,) of an image from those of its tiles (T, K), as its `Tiles` say. Errors as `join_tiles`."""
        tiles, column = self.preprocessing.tiles, None if self.positive is None else self.index(self.positive)
        decision, several = tiles.decision if tiles else "mean", self.head.several
        return join_tiles(decision, logits, untempered(logits, several=several), column, several=several)

    def index(self, target: int | str) -> int:
        """The column of a class given by name or number.

        Raises:
            InputError: There is no such class.
        """
        if isinstance(target, str) and target in self.class_names:
            return self.class_names.index(target)
        if isinstance(target, int | np.integer) and 0 <= target < len(self.class_names):
            return int(target)
        names = ", ".join(self.class_names[:6]) + (" …" if len(self.class_names) > 6 else "")
        raise InputError(
            f"There is no class {target!r}: choose one of {names} (numbers 0 to {len(self.class_names) - 1})."
        )

    @cached_property
    def grids(self) -> Mapping[str, Grid]:
        """Layers with a spatial output, in the order of execution, and how each lies over the image: those that passed
        the corner test, for each is tried once on noise."""
        pixels = noise((len(self.preprocessing.mean), *self.preprocessing.size)).numpy()
        image = torch.from_numpy(self.preprocessing.normalise(pixels))[None].to(self.device)
        with untouched(self), torch.inference_mode():
            return read_grids(self.model, image, self.prefix_tokens)

    @cached_property
    def layers(self) -> Mapping[str, tuple[int, ...]]:
        """Layers with a spatial output, in the order of execution: name to (channels, height, width)."""
        return {name: grid.shape for name, grid in self.grids.items()}

    @cached_property
    def parameters(self) -> int:
        """Number of weights."""
        return sum(p.numel() for p in self.model.parameters())


@contextlib.contextmanager
def untouched(classifier: Classifier) -> Iterator[None]:
    """Hold the lock with the model in evaluation mode, and restore its modes, gradients and hooks."""
    with classifier.lock, held(classifier.model):
        yield


def predict(
    classifier: Classifier,
    items: Iterable[ImageItem | Input] | ImageItem | Input,
    *,
    batch: int = BATCH,
    on_progress: Callable[[int, int], None] | None = None,
) -> Predictions:
    """Ask a classifier about images.

    Args:
        classifier: The model.
        items: Images of a set, as they are or made ready; one that cannot be read becomes a row with its reason.
        batch: Images a forward pass.
        on_progress: Called with (done, total) after each batch; what it raises stops the work.

    Returns:
        One row an image, in order; probabilities and logits of shape (N, K).

    Raises:
        InputError: The answers do not fit the class names or are not numbers, or an image belongs to no set.

    Example:
        >>> pred = wb.predict(clf, images.items[:2])
        >>> pred.frame["predicted"].tolist()
        ['defective', 'defective']
    """
    given = [items] if isinstance(items, ImageItem | Input) else list(items)
    rows, errors = [_item(image) for image in given], dict[int, str]()
    logits = [torch.zeros(0, len(classifier.class_names))]
    for part in forwards(classifier, given, batch=batch, errors=errors):
        logits.append(part)
        if on_progress:
            on_progress(min((len(logits) - 1) * batch, len(rows)), len(rows))
    outputs = torch.cat(logits)
    return tabulate(
        rows, outputs.numpy(), classifier.probabilities(outputs).numpy(), errors, classifier.rule, classifier.key
    )


def _item(given: ImageItem | Input) -> ImageItem:
    item = given.item if isinstance(given, Input) else given
    if item is None:
        raise InputError("This image belongs to no set, so that there is no row for it: ask about an image of a set.")
    return item


def ask(classifier: Classifier, images: Iterable[Askable], *, batch: int = BATCH) -> NDArray[np.float32]:
    """Probabilities of shape (N, K) for N images. Errors as `answers`."""
    return np.concatenate(list(answers(classifier, images, batch=batch)))


def answers(classifier: Classifier, images: Iterable[Askable], *, batch: int = BATCH) -> Iterator[NDArray[np.float32]]:
    """Probabilities of shape (n, K), a `batch` of n images at a time; each image is made only when its turn comes.

    Raises:
        InputError: An image cannot be read, or probabilities are no numbers: of those a rule would decide on some class
            all the same.
    """
    for logits in forwards(classifier, images, batch=batch):
        probabilities = classifier.probabilities(logits).numpy()
        if not np.isfinite(probabilities).all():
            raise InputError("The model's answer for this image is not a number: look for damaged weights.")
        yield probabilities


def forwards(
    classifier: Classifier,
    images: Iterable[Askable],
    *,
    batch: int = BATCH,
    errors: MutableMapping[int, str] | None = None,
) -> Iterator[Tensor]:
    """Logits of shape (n, K), a forward pass of n images at a time; of their pixels no more than one image's are held.

    Args:
        classifier: The model, left as it was.
        images: What to ask about; each is made only when its turn comes.
        batch: Images in one forward pass.
        errors: Takes, by position, why an image cannot be read, whose logits are NaN.

    Raises:
        InputError: An image cannot be read, and there is no `errors`.
    """

    def ready(position: int, image: Askable) -> Tensor | None:
        try:
            if classifier.preprocessing.tiles and not isinstance(image, Input):
                source = classifier.source(image)
                if parts := list(tile_logits(classifier, source, batch)):
                    return classifier.joined(torch.cat(parts))
            return classifier.input(image).x
        except InputError as error:
            if errors is None:
                raise
            errors[position] = str(error)
            return None

    inputs = itertools.starmap(ready, enumerate(images))
    while part := list(itertools.islice(inputs, batch)):
        logits = torch.full((len(part), len(classifier.class_names)), torch.nan)
        at = [i for i, x in enumerate(part) if x is not None and x.ndim == 3]
        if at:
            logits[at] = classifier.forward(torch.stack([x for x in part if x is not None and x.ndim == 3]))
        for i, x in enumerate(part):
            if x is not None and x.ndim == 1:  # of an image that was read in tiles
                logits[i] = x
        yield logits


def tile_logits(classifier: Classifier, source: Image.Image | Raster, batch: int) -> Iterator[Tensor]:
    """Logits (n, K) of the tiles of an image, a forward pass of n at a time."""
    boxes, alone = classifier.preprocessing.boxes(*source.size), classifier.untiled
    tall, wide = classifier.preprocessing.size
    batch = max(min(batch, TOGETHER // (tall * wide)), 1)
    for start in range(0, len(boxes), batch):
        part = [alone.prepared(cut_tile(source, box)) for box in boxes[start : start + batch]]
        yield alone.forward(torch.stack(part))
