"""Training: the loop, its batches and checkpoints; methods are in `methods`."""
