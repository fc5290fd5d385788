"""Puts a collector together from the options, and keeps it running."""
