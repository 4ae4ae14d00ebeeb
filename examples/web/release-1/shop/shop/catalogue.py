"""What the shop sells."""

PRODUCTS = {
    "anvil": "Anvil, drop-forged",
    "kettle": "Kettle, enamelled",
    "lantern": "Lantern, with wick",
}
