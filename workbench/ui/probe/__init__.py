"""The parts of the Probe page: edits, sweeps, smallest regions, attacks, training images, concepts, comparisons."""
