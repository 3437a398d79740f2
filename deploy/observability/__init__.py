"""What looks at a running Millrace from outside: scraping, rules, dashboards, traces."""
