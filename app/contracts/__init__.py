"""The published language of the modules: one Protocol each, frozen structs, errors, events."""
