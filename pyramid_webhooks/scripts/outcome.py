"""What a command comes to: exit codes, and what ends a command early."""

from __future__ import annotations

#: It did what it was to do; ``explain``: somebody would get the event.
DONE = 0
#: What was named is not there, or nothing could be done; ``explain``: nobody would get the event.
NOTHING = 1
#: The command line, the configuration, or what it leads to can't be used.
UNUSABLE = 2
#: Ended by SIGINT (Ctrl-C), or because nobody reads what it writes; as shells count.
INTERRUPTED = 130
UNREAD = 141


class CommandError(Exception):
    """Ends a command with a sentence for people, and an exit code."""

    def __init__(self, sentence: str, code: int = NOTHING):
        super().__init__(sentence)
        self.code = code
