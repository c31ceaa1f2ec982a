"""What was understood of a model's layers, as lines of how it was read."""

from __future__ import annotations

from collections import Counter

from workbench.attribution.capture import choose_layer
from workbench.errors import InputError
from workbench.models import Classifier, Fact


def layer_facts(classifier: Classifier) -> tuple[Fact, ...]:
    """How many layers keep the image's places, which is looked at unless told, and how many tokens stand before those
    of the image. Looks at the model where that was not done before: some seconds for a large one.

    Example:
        >>> from workbench.attribution import layer_facts
        >>> layer_facts(clf)[0].source
        'measured by the corner test'
    """
    grids = classifier.grids.values()
    try:
        look = f"maps look at {choose_layer(classifier, None)} unless told"
    except InputError as error:
        return (Fact("layers", str(error), "measured by the corner test", "measured", "prefix_tokens"),)
    count = sum(grid.calls == 1 for grid in grids)
    plural = "layer keeps" if count == 1 else "layers keep"
    words = f"{count} {plural} the places of the image; {look}"
    facts = [Fact("layers", words, "measured by the corner test", "measured")]
    beside = Counter((grid.prefix, grid.suffix) for grid in grids if grid.layout == "tokens")
    if beside:
        (before, behind), _ = beside.most_common(1)[0]
        after = f", {behind} behind" if behind else ""
        tokens = f"{before} {'token stands' if before == 1 else 'tokens stand'} before those of the image{after}"
        said = classifier.prefix_tokens is not None
        source, how = ("as it was set", "stated") if said else ("measured by the corner test", "measured")
        facts.append(Fact("layers", tokens, source, how, "prefix_tokens"))  # type: ignore[arg-type]
    return tuple(facts)
