"""Text of others as a reader should see it: shown, and not obeyed by what shows it."""

import re

# Control characters but the line break and the tab; what turns the direction of text round; what takes no room.
_HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u115f\u1160\u180e\u200b\u200e\u200f\u2028\u2029\u202a-\u202e\u2060-\u206f"
    "\u3164\ufeff\uffa0\ufff9-\ufffb\U000e0000-\U000e007f]"
)


def visible(text: str) -> str:
    """Text with its hidden characters spelt out, `\u202e` as "⟨U+202E⟩".

    A character that turns the direction of writing round would have a page say other than what stands in the data, and
    one that takes no room would hide in it. What joins the parts of letters and signs in some scripts
    (zero-width joiners) stays.
    """
    return _HIDDEN.sub(lambda found: f"⟨U+{ord(found[0]):04X}⟩", text)
