"""The one exception for what a user can mend."""


class InputError(ValueError):
    """Something that was handed in cannot be used; the message is one sentence that says what to do."""
