"""A working project from a data file: look at the rows, guess the columns, write the specs."""
