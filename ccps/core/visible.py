"""Text of others as a reader should see it: shown, and not obeyed by what shows it."""

import re
import unicodedata

# Control characters but the line break and the tab; what turns the direction of text round; what takes no room.
_HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u115f\u1160\u180e\u200b\u200e\u200f\u2028\u2029\u202a-\u202e\u2060-\u206f"
    "\u3164\ufeff\uffa0\ufff9-\ufffb\U000e0000-\U000e007f]"
)


# What takes no room either, but joins the letters beside it.
_JOINERS = "\u200c\u200d\u2800"


def seen(text: str) -> str:
    """Text as the eye has it: composed letters, single spaces, nothing that takes no room; empty if there is nothing.

    Two texts that are the same so cannot be told apart by who reads them.
    """
    spaced = _HIDDEN.sub("", " ".join(text.split()))
    return " ".join(unicodedata.normalize("NFC", spaced).split()).strip(_JOINERS)


def visible(text: str) -> str:
    """Text with its hidden characters spelt out, `\u202e` as "⟨U+202E⟩".

    A character that turns the direction of writing round would have a page say other than what stands in the data, and
    one that takes no room would hide in it. What joins the parts of letters and signs in some scripts
    (zero-width joiners) stays.
    """
    return _HIDDEN.sub(lambda found: f"⟨U+{ord(found[0]):04X}⟩", text)
