"""keeper watches what must never go quiet, says what is wrong and why, and does the safe thing."""

__version__ = "0.1.0"
