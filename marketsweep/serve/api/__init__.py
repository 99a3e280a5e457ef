"""The API without its transport: parameters, work and data of each endpoint."""
