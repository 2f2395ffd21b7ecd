"""Fuzzing the loader: whatever stands in specs/, it is loaded or refused with messages."""
