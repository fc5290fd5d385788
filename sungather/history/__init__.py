"""The local history: store, curves, totals."""
