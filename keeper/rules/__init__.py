"""The rules. A new one is one file and one line here."""

from keeper.rules.http_down import HttpDown
from keeper.rules.log_silent import LogSilent
from keeper.rules.rule import Rule

RULES: dict[str, type[Rule]] = {
    "http_down": HttpDown,
    "log_silent": LogSilent,
}
