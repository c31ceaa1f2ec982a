"""The one exception for what a user can mend."""

LONGEST = 600


class InputError(ValueError):
    """The input cannot be used; the message is one sentence that says what to do.

    Messages quote names of files and classes, which may hold line ends, escape codes or thousands of characters: such a
    message is laid on one line and cut in its middle.

    Example:
        >>> wb.load_images("nowhere")
        Traceback (most recent call last):
            ...
        workbench.errors.InputError: There is no folder, zip, manifest or catalog entry 'nowhere': ...
    """

    def __init__(self, message: str) -> None:
        line = " ".join("".join(c if c.isprintable() else " " for c in message).split())
        super().__init__(line if len(line) <= LONGEST else f"{line[: LONGEST // 2]} … {line[-LONGEST // 2 :]}")
