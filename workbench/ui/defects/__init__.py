"""The parts of the Defects page: scope, threshold, queue, one decision and its verdict, and maps against masks."""
