"""Names of substances that hold the name of an element: carbon dioxide is no carbon, sodium chloride no sodium."""

import re
from functools import cache

_ELEMENTS = """
hydrogen helium lithium beryllium boron carbon nitrogen oxygen fluorine neon sodium magnesium aluminium aluminum silicon
phosphorus sulfur sulphur chlorine argon potassium calcium scandium titanium vanadium chromium manganese iron cobalt
nickel copper zinc gallium germanium arsenic selenium bromine krypton rubidium strontium yttrium zirconium niobium
molybdenum technetium ruthenium rhodium palladium silver cadmium indium tin antimony tellurium iodine xenon caesium
cesium barium lanthanum cerium samarium europium gadolinium tungsten rhenium osmium iridium platinum gold mercury
thallium lead bismuth polonium radon radium thorium uranium plutonium ammonium methyl ethyl vinyl deuterium
"""
_PARTNER = re.compile(
    r"(?:mono?|di|tri|tetra|penta?|hexa|hepta|octa|per|sub|bi|hypo|thio|pyro|hydro|hydrogen)*"
    r"(?:ox|chlor|fluor|brom|iod|sulf|sulph|nitr|phosph|carb|carbon|hydr|hydrox|cyan|az|selen|tellur|arsen|ars|silic|"
    r"bor|chrom|mangan|acet|citr|oxal|lact|tartr|stear|benzo|form|bicarbon|amid|alumin|molybd|tungst|vanad|uran|glut|"
    r"glucon|ascorb|sorb|salicyl|hydrid)(?:ide|ate|ite)s?|acid|hydroxide|hexafluoride"
)


def is_substance(before: str, after: str) -> bool:
    """Whether a word, as `normalise` has it, makes a compound of the element that the word before it names."""
    return before in _elements() and _PARTNER.fullmatch(after) is not None


@cache
def _elements() -> frozenset[str]:
    return frozenset(_ELEMENTS.split())
