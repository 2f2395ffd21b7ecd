"""The spec language: nine kinds, their loader, their JSON Schema, their digest."""
