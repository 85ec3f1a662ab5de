"""The one error of this package."""


class ThreshflowError(Exception):
    """Says what failed, with the value, and what to do next."""
