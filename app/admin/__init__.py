"""The administrators' pages: health, runs, models, people and the audit trail; no data of their own."""
