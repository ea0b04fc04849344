"""Load on the shop, objectives it is held to, and what becomes of both while things break."""
