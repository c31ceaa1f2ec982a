"""Ask the model what would change its mind: edits, sweeps, smallest regions, attacks, training pictures, concepts, comparisons."""
