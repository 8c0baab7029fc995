"""Files of a small shop."""

from __future__ import annotations

from pathlib import Path

from assets.sources.retail import RetailFiles

TRANSACTION_HEADER = "basket_id,product_id,household_id,store_id,quantity,sales_value,purchased_on"
PRODUCT_HEADER = "product_id,manufacturer_id,department,brand,product_category,product_type,package_size"


def retail(folder: Path, transactions: str | bytes, products: str | bytes) -> RetailFiles:
    """The source of two CSV files with these contents."""
    for name, content in (("transactions.csv", transactions), ("products.csv", products)):
        (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return RetailFiles(folder / "transactions.csv", folder / "products.csv")
