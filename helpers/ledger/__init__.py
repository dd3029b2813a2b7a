"""Where each reading is: a ledger kept from what was published, acknowledged, stored, dead-lettered and waiting."""

from helpers.ledger.ledger import FATES, Ledger, Name, name_of

__all__ = ["FATES", "Ledger", "Name", "name_of"]
