"""The sections of the page Reliability."""
