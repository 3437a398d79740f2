"""Everything of Millrace on one machine, without any server: the launcher behind `make up`."""
