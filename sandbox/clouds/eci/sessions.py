"""Exec sessions: one-time URLs and the websocket behind them."""

from ..groups.sessions import Session, Sessions, outcome, serve

__all__ = ["Session", "Sessions", "outcome", "serve"]
