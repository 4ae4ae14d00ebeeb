"""What the shop sells, and for how much."""

from typing import NamedTuple


class Product(NamedTuple):
    name: str
    euros: int


PRODUCTS = {
    "anvil": Product("Anvil, drop-forged", 240),
    "kettle": Product("Kettle, enamelled", 35),
    "lantern": Product("Lantern, with wick", 28),
    "rope": Product("Rope, twenty metres", 19),
}
