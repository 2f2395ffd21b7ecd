"""Kafka: the bus over any broker that speaks its protocol, and the embedded broker."""
