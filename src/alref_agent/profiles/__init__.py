"""The profiles: one YAML file each, its first line says what it is."""
