"""Air gap: what an operator carries into a network without Internet."""
