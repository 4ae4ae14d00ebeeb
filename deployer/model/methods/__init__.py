"""Methods: how one slot gets from what is in it to the goal. Strategies say which slots, methods what next."""

from deployer.model.methods.work import work

__all__ = ["work"]
