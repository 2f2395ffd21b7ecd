"""How weights are changed: the loop, its batches and checkpoints; methods lie in `methods`."""
