"""The verbs, in flow order: analyze, search, quantize, export, verify. They may import targets, never pipeline."""
