"""What errors say, on every version of Python."""


def message_of(error: BaseException) -> str:
    """Return the message of ``error`` without its notes, which end it in Python 3.10."""
    text = str(error)
    for note in getattr(error, "__notes__", ()):
        text = text.replace(f"\n{note}", "")
    return text
