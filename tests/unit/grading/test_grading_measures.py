"""Two units are one or not, however they are written; what is no unit is none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccps.grading.measures import known, quantity, symbol_of, unit_of


def one(a: str, b: str) -> bool:
    first, second = unit_of(a), unit_of(b)
    assert first is not None, a
    assert second is not None, b
    return first.is_one_with(second)


@pytest.mark.parametrize(
    ("one_way", "other_way"),
    [
        ("m", "metres"),
        ("cm", "centimeter"),
        ("KM", "km"),
        ("Kg", "kilograms"),
        ("m/s", "metres per second"),
        ("m/s", "m s^-1"),
        ("m/s", r"m\cdot s^-1"),
        ("m^2", "square metres"),
        ("sq ft", "ft^2"),
        ("metres squared", "m^2"),
        ("m/s^2", "metres per second squared"),
        ("cm^3", "cc"),
        ("ml", "cubic centimetres"),
        ("L", "l"),
        ("mL", "ml"),
        ("J", "N m"),
        ("N m", "m N"),
        ("W", "joules per second"),
        ("V", "J/C"),
        ("Hz", "s^-1"),
        ("kWh", "Wh kWh/Wh"),
        ("km/h", "kph"),
        ("mi / h", "mph"),
        ("hrs", "hours"),
        ("ft", "feet"),
        ("inch", "inches"),
        ("μm", "micrometres"),
        ("kΩ", "kiloohm"),
        ("J/(kg K)", "J kg^-1 K^-1"),
        ("°C", "Celsius"),
    ],
)
def test_one_unit_in_two_ways(one_way: str, other_way: str) -> None:
    assert one(one_way, other_way)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("cm", "m"),
        ("mm", "Mm"),
        ("mW", "MW"),
        ("m", "m^2"),
        ("m/s", "m"),
        ("m/s", "km/h"),
        ("m/s", "m s"),
        ("N", "J"),
        ("kg", "lb"),
        ("h", "min"),
        ("°C", "°F"),
        ("K", "°C"),
        ("dollars", "cents"),
        ("GB", "Gbit"),
        ("square feet", "cubic feet"),
    ],
)
def test_two_units_are_two(a: str, b: str) -> None:
    assert not one(a, b)


@pytest.mark.parametrize("text", ["", "apples", "m apples", "x", "per", "square", "m^12", "m!", "sin", "pm", "and m"])
def test_what_is_no_unit(text: str) -> None:
    assert unit_of(text) is None


@pytest.mark.parametrize(
    ("text", "number", "unit"),
    [
        ("5 m", "5", "m"),
        ("5m", "5", "m"),
        ("5 m.", "5", "m"),
        (r"5\text{ cm}", "5", "cm"),
        (r"5\,\mathrm{cm}^{2}", "5", "cm^2"),
        (r"\frac{1}{2} \text{ m/s}", r"\frac{1}{2}", "m/s"),
        (r"2\pi \text{ m}", r"2\pi", "m"),
        (r"5\text{ k}\Omega", "5", "kΩ"),
        (r"5~\mu\text{m}", "5", "μm"),
        (r"$5 \text{ m s}^{-1}$", "5", "m/s"),
        ("5 m²", "5", "m^2"),
        (r"20^\circ \text{C}", "20", "°C"),
        ("20 degrees Celsius", "20", "°C"),
        ("20℃", "20", "°C"),
        (r"\$5 dollars", "5", "dollars"),
        ("x = 5 kg", "x = 5", "kg"),
        ("(2 + 3) kg", "(2 + 3)", "kg"),
        ("60 miles per hour", "60", "mph"),
    ],
)
def test_a_quantity_is_a_number_and_its_unit(text: str, number: str, unit: str) -> None:
    found, wanted = quantity(text), unit_of(unit)
    assert found is not None
    assert wanted is not None
    assert found.number == number
    assert found.unit.is_one_with(wanted)


@pytest.mark.parametrize(
    "text",
    ["5", "m", "x m", "5 apples", "5 m east", r"5\sin m", "(3 m, 4 m)", "20°", "5%", "5 pm", "2x", "a\nb", "5 " * 99],
)
def test_what_is_no_quantity(text: str) -> None:
    assert quantity(text) is None


@given(st.text("5 m/s^2(){}\\$.·per", max_size=120))
def test_any_text_is_a_quantity_or_none(text: str) -> None:
    found = quantity(text)
    assert found is None or (found.unit.factor > 0 and found.unit.is_one_with(found.unit))


def test_a_symbol_is_written_as_it_is_and_no_word() -> None:
    assert symbol_of("N") == known("newtons")
    assert all(symbol_of(word) is not None for word in ("km", "kg", "Hz", "mV"))
    assert all(symbol_of(word) is None for word in ("n", "Km", "metre", "miles", "in", "dollar", "min", "TV", "d", "I"))
