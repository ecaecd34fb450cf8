"""What a user asked for cannot be done as it is configured: said in one line, exit code 2."""


class Refusal(Exception):  # noqa: N818  # it is the user's news, not a fault of the program
    """Names what was refused, what was expected, and what to do.

    Attributes:
        subject: the file, URL or name that is refused.
        problem: what is wrong and what was expected.
        suggestion: what to do, or an empty string.
    """

    def __init__(self, subject: str, problem: str, suggestion: str = "") -> None:
        self.subject, self.problem, self.suggestion = subject, problem, suggestion
        super().__init__(f"{subject}: {problem}" + (f"; {suggestion}" if suggestion else ""))
