"""Read files of reference data: `symbols` reads the rows, `layouts` finds their columns."""
