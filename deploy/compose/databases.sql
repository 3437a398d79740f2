-- A database per service; PostgreSQL's image runs this once, when its volume is new.
CREATE DATABASE millrace_gateway;
CREATE DATABASE millrace_catalog;
CREATE DATABASE millrace_training;
CREATE DATABASE millrace_inference;
CREATE DATABASE millrace_billing;
CREATE DATABASE millrace_experiments;
