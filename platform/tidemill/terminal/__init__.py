"""Terminal helpers of commands: options, exit codes, progress, amounts."""
