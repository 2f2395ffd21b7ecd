"""The demo: one whole turn of the wheel on one machine, told as a story and kept as a report."""
