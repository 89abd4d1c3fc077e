"""Names that follow another after a comma to say where it lies: "Austin, Texas" is Austin."""

_COUNTRIES = """
afghanistan albania algeria andorra angola argentina armenia australia austria azerbaijan bahamas bahrain bangladesh
barbados belarus belgium belize benin bhutan bolivia botswana brazil brunei bulgaria burundi cambodia cameroon canada
chad chile china colombia comoros congo croatia cuba cyprus czechia denmark djibouti dominica ecuador egypt eritrea
estonia eswatini ethiopia fiji finland france gabon gambia germany ghana greece grenada guatemala guinea guyana haiti
honduras hungary iceland india indonesia iran iraq ireland israel italy jamaica japan jordan kazakhstan kenya kiribati
kosovo kuwait kyrgyzstan laos latvia lebanon lesotho liberia libya liechtenstein lithuania luxembourg madagascar malawi
malaysia maldives mali malta mauritania mauritius mexico micronesia moldova monaco mongolia montenegro morocco
mozambique myanmar namibia nauru nepal netherlands nicaragua niger nigeria norway oman pakistan palau palestine panama
paraguay peru philippines poland portugal qatar romania russia rwanda samoa senegal serbia seychelles singapore slovakia
slovenia somalia spain sudan suriname sweden switzerland syria taiwan tajikistan tanzania thailand togo tonga tunisia
turkey turkmenistan tuvalu uganda ukraine uruguay usa us uk uae uzbekistan vanuatu venezuela vietnam yemen zambia
zimbabwe america britain england scotland wales ussr yugoslavia czechoslovakia burma prussia
"""
_STATES = """
alabama alaska arizona arkansas california colorado connecticut delaware florida georgia hawaii idaho illinois indiana
iowa kansas kentucky louisiana maine maryland massachusetts michigan minnesota mississippi missouri montana nebraska
nevada ohio oklahoma oregon pennsylvania tennessee texas utah vermont virginia washington wisconsin wyoming ontario
quebec alberta manitoba saskatchewan queensland victoria tasmania bavaria saxony catalonia andalusia tuscany sicily
"""
_OF_SEVERAL_WORDS = """
united states, united states of america, united kingdom, great britain, northern ireland, new zealand, south africa,
south korea, north korea, saudi arabia, sri lanka, costa rica, el salvador, ivory coast, sierra leone, south sudan,
dominican republic, czech republic, papua new guinea, united arab emirates, soviet union, new york, new jersey,
new mexico, new hampshire, north carolina, south carolina, north dakota, south dakota, west virginia, rhode island,
british columbia, nova scotia, new south wales, hong kong, puerto rico, burkina faso, cape verde, north macedonia,
trinidad and tobago, district of columbia, dc, d c, ca, ny, tx
"""

COUNTRIES_AND_STATES = frozenset(
    [*_COUNTRIES.split(), *_STATES.split(), *(" ".join(name.split()) for name in _OF_SEVERAL_WORDS.split(","))]
)
"""Countries, and states and provinces that are named behind cities, as `normalise` writes them."""
CITIES_TOO = frozenset({"new york", "washington", "quebec", "luxembourg", "singapore", "monaco", "panama", "mexico"})
"""Those that may stand first in such a chain as well: "New York, New York, USA"."""
