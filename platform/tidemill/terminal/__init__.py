"""What commands share to speak to a terminal: options, exit codes, progress, amounts."""
