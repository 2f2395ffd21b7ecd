"""The figures of the code itself: sizes, names and arrows, for `platform/` and `assets/`."""
