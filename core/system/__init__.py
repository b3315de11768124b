"""Whatever differs between Linux, macOS and Windows: the rest of the project asks here, and knows no system."""
