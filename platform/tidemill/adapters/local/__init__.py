"""Releases as processes of this machine, and the file that tells the gateway how to route."""
