"""What the products of Kingsoft Cloud share: signatures, endpoints, errors, the wire."""
