"""The HTTP by which a network is steered: phones, people, and what goes wrong. Imported by the server alone."""
