"""Questions that chapters answer with figures, a module each; `pixelwise.results` holds what came out."""
