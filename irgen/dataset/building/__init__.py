"""Rows made, and put into shards."""
