"""Wire protocols of other services: translate, then call contracts. Brought by a later version."""
