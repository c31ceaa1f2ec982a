"""The parts of the Defects page: the scope, the threshold, the queue, one decision, its verdict, and maps against
masks."""
